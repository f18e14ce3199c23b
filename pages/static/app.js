// The script of the pages. It is a client of the API like any other: it keeps no token, and nothing in
// the browser. The server decides everything; this file only shows it.
//
// In order: calls of the API, texts, forms, the proof of a password, and then a function for each page.

const root = document.documentElement;
const { page, api: base, home } = root.dataset;
const $ = (selector, from = document) => from.querySelector(selector);

// --- Calls of the API ---

// A Refusal is an answer of the API that is not a success. Its code is stable; see package httpauth.
class Refusal extends Error {
  constructor(status, problem) {
    super(problem.code);
    Object.assign(this, { status, code: problem.code, detail: problem.detail, retryAfter: problem.retry_after, errors: problem.errors ?? [] });
  }
}

async function send(method, path, body) {
  let answer;
  try {
    answer = await fetch(base + path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, { code: "offline" });
  }
  const data = await answer.json().catch(() => ({ code: "offline" }));
  if (!answer.ok) {
    throw new Refusal(answer.status, data);
  }
  return data;
}

// call sends a request. If the access token has expired, it is refreshed first. Several tabs may do
// that at once.
async function call(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (refused) {
    if (refused.code !== "invalid_token" || path === "/verify-2fa") {
      throw refused;
    }
    await send("POST", "/refresh");
    return send(method, path, body);
  }
}

const ended = (error) => error.code === "invalid_token" || error.code === "authentication_required";

// --- Texts ---

const texts = new Map([...$("#texts").content.children].map((p) => [p.dataset.key, p.textContent]));

// say returns a text. What stands in braces in it is replaced.
function say(key, values = {}) {
  return (texts.get(key) ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// explain returns what to tell a person about an error.
function explain(error) {
  if (!(error instanceof Refusal)) {
    console.error(error);
    return say("error.internal_error");
  }
  const seconds = error.retryAfter;
  if (seconds > 90) {
    return say("error.wait_minutes", { minutes: Math.ceil(seconds / 60) });
  }
  if (seconds) {
    return say("error.wait_seconds", { seconds });
  }
  return texts.get("error." + error.code) ?? error.detail ?? say("error.internal_error");
}

const when = (time) => new Date(time).toLocaleString(root.lang, { dateStyle: "medium", timeStyle: "short" });

function show(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

// notify shows a success, and alert a failure, at the top of the page.
function notify(text) {
  show($("#alert"), "");
  show($("#notice"), text);
}

function alertOf(error) {
  show($("#notice"), "");
  show($("#alert"), explain(error));
  $("#alert").scrollIntoView({ block: "nearest" });
}

// --- Elements ---

// make returns an element. Children are elements, or texts that are never read as HTML.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

// button returns a button that does something once at a time.
function button(key, act, kind = "quiet") {
  const b = make("button", { type: "button", class: kind }, say(key));
  b.addEventListener("click", () => busy(b, act).catch(alertOf));
  return b;
}

// busy runs act with the button off. After half a second it shows that it works.
async function busy(b, act) {
  if (b.getAttribute("aria-disabled") === "true") {
    return undefined;
  }
  b.setAttribute("aria-disabled", "true");
  const slow = setTimeout(() => b.setAttribute("aria-busy", "true"), 500);
  try {
    return await act();
  } finally {
    clearTimeout(slow);
    b.removeAttribute("aria-busy");
    b.removeAttribute("aria-disabled");
  }
}

// copyButton returns a button that copies a text.
function copyButton(text) {
  const b = make("button", { type: "button", class: "quiet" }, say("say.copy"));
  b.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    b.textContent = say("say.copied");
  });
  return b;
}

// --- Forms ---

// onSubmit calls act with the fields of a form. What the API refuses is shown beside its field.
function onSubmit(selector, act) {
  const form = $(selector);
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearErrors(form);
    const fields = Object.fromEntries(new FormData(form));
    for (const name of Object.keys(fields)) {
      fields[name] = name.includes("password") ? fields[name] : fields[name].trim();
    }
    if (fields.code !== undefined) {
      fields.code = fields.code.replace(/[\s-]/g, ""); // as authenticators and lists of codes show them
    }
    const missing = [...form.querySelectorAll("[required]")].filter((input) => fields[input.name] === "");
    if (missing.length > 0) {
      showErrors(form, missing.map((input) => ({ field: input.name, code: "required" })));
      return;
    }
    try {
      await busy(event.submitter ?? $("button", form), () => act(fields, form));
    } catch (error) {
      refuse(form, error);
    }
  });
}

function clearErrors(form) {
  notify("");
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    show($("#" + input.id + "-error"), "");
  }
}

// showErrors shows errors of the API beside their fields, and returns those that have none.
function showErrors(form, errors) {
  const rest = [];
  for (const error of errors) {
    const input = form.elements.namedItem(error.field);
    const place = input?.id && $("#" + input.id + "-error");
    if (!place) {
      rest.push(error);
      continue;
    }
    input.setAttribute("aria-invalid", "true");
    show(place, texts.get("error.field." + error.code) ?? error.detail);
  }
  $("[aria-invalid]", form)?.focus();
  return rest;
}

function refuse(form, error) {
  const fields = { email_taken: "email", already_member: "email" };
  const errors = error.errors?.length > 0 ? error.errors : fields[error.code] ? [{ field: fields[error.code], code: error.code }] : [];
  const rest = showErrors(form, errors);
  if (errors.length === 0 || rest.length > 0) {
    const place = $(".alert", form) ?? $("#alert");
    show(place, explain(error));
    place.scrollIntoView({ block: "nearest" });
  }
}

for (const toggle of document.querySelectorAll("[data-show]")) {
  toggle.addEventListener("click", () => {
    const input = document.getElementById(toggle.dataset.show);
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    toggle.setAttribute("aria-pressed", String(shown));
  });
}

for (const hint of document.querySelectorAll("[data-strength]")) {
  const input = $("input", hint.parentElement);
  const usual = hint.textContent;
  input.addEventListener("input", () => {
    const length = [...input.value].length;
    const [min, max] = [Number(root.dataset.minPassword), Number(root.dataset.maxPassword)];
    if (length === 0) {
      hint.textContent = usual;
    } else if (length < min) {
      hint.textContent = say("say.too_short", { left: min - length });
    } else if (length > max) {
      hint.textContent = say("error.field.too_long");
    } else {
      hint.textContent = say(length < 15 ? "say.password_ok" : "say.password_good");
    }
  });
}

// --- Where to go ---

// The fragment has what a mail or another page hands over. No server sees it. It is removed at once, so
// that it is not in the history.
const handed = new URLSearchParams(location.hash.slice(1));
if (location.hash) {
  history.replaceState(null, "", location.pathname + location.search);
}

function go(to, values = {}) {
  const fragment = new URLSearchParams(values).toString();
  location.assign(to + (fragment && "#" + fragment));
}

// signIn asks for a login, and comes back here with what the page was handed.
function signIn() {
  go("sign-in", { next: page, ...Object.fromEntries(handed) });
}

// goOn leads to where a login was asked for. The names are those of pages, so nobody can lead a user elsewhere.
function goOn() {
  const next = handed.get("next");
  handed.delete("next");
  if (["account", "security", "api-keys", "organization", "confirm-email", "invitation"].includes(next)) {
    go(next, Object.fromEntries(handed));
  } else {
    location.assign(home);
  }
}

// --- The proof of a password ---

// proven calls act with {}. If the API wants the password, it asks for it, and calls act with what was
// typed. It returns undefined if the user did not want to.
async function proven(act) {
  try {
    return await act({});
  } catch (error) {
    if (error.code !== "reauthentication_required" && error.code !== "invalid_credentials") {
      throw error;
    }
  }
  return prove(act);
}

// prove asks for the password, and for a code if the account has a second factor.
function prove(act) {
  const dialog = $("#proof");
  const form = $("form", dialog);
  form.reset();
  clearErrors(form);
  show($(".alert", form), "");
  form.elements.username.value = me.email; // for password managers
  $(".code", form).hidden = !me.two_factor_enabled;
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const leave = new AbortController();
    const close = (settle, value) => {
      leave.abort();
      dialog.close();
      settle(value);
    };
    dialog.addEventListener("cancel", () => close(resolve), { signal: leave.signal });
    $("[data-close]", dialog).addEventListener("click", () => close(resolve), { signal: leave.signal });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const proof = { password: form.elements.password.value };
      const code = form.elements.code.value.replace(/[\s-]/g, "");
      if (code) {
        proof.code = code;
      }
      try {
        close(resolve, await busy(event.submitter ?? $("button", form), () => act(proof)));
      } catch (error) {
        if (["invalid_credentials", "reauthentication_required", "invalid_code", "rate_limited", "overloaded", "unavailable", "offline"].includes(error.code)) {
          show($(".alert", form), explain(error));
        } else {
          close(reject, error);
        }
      }
    }, { signal: leave.signal });
  });
}

// confirmed asks before something that cannot be undone.
function confirmed(question) {
  const dialog = $("#confirm");
  $("h2", dialog).textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const leave = new AbortController();
    const close = (yes) => {
      leave.abort();
      dialog.close();
      resolve(yes);
    };
    dialog.addEventListener("cancel", () => close(false), { signal: leave.signal });
    $("[data-close]", dialog).addEventListener("click", () => close(false), { signal: leave.signal });
    $("form", dialog).addEventListener("submit", (event) => {
      event.preventDefault();
      close(true);
    }, { signal: leave.signal });
  });
}

// --- The pages ---

let me; // the profile, on pages inside

const pages = {
  "sign-in": () => {
    const [first, second] = [$("#sign-in"), $("#second-step")];
    const enter = async () => {
      try {
        await call("GET", "/me");
      } catch (error) {
        throw ended(error) ? new Refusal(0, { code: location.protocol === "http:" ? "cookie_missing_http" : "cookie_missing" }) : error;
      }
      goOn();
    };
    onSubmit("#sign-in", async (fields) => {
      const answer = await send("POST", "/login", fields);
      if (!answer.requires_2fa) {
        return enter();
      }
      first.hidden = true;
      second.hidden = false;
      second.elements.code.focus();
      return undefined;
    });
    onSubmit("#second-step", async (fields) => {
      const body = { code: fields.code };
      if (fields.trust_device) {
        body.trust_device = true;
      }
      try {
        await send("POST", "/verify-2fa", body);
      } catch (error) {
        if (error.code === "invalid_token") {
          again();
          throw new Refusal(0, { code: "second_step_over" });
        }
        throw error;
      }
      return enter();
    });
    const again = () => {
      first.hidden = false;
      second.hidden = true;
      second.reset();
      first.elements.password.value = "";
      first.elements.password.focus();
    };
    $("[data-again]", second).addEventListener("click", again);
  },

  register: () => {
    const invitation = handed.get("invitation");
    if (invitation) {
      $("#invited").hidden = false;
      $("#own-organization").hidden = true;
    }
    onSubmit("#register", async (fields) => {
      if (invitation) {
        delete fields.organization_name;
        fields.invitation_token = invitation;
      } else if (!fields.organization_name) {
        delete fields.organization_name;
      }
      await send("POST", "/register", fields);
      const answer = await send("POST", "/login", { email: fields.email, password: fields.password }).catch((error) => {
        if (error.code === "email_not_verified") {
          return undefined;
        }
        throw error;
      });
      if (answer) {
        goOn();
      } else {
        $("#register").hidden = true;
        notify(say("say.verify_first", { email: fields.email }));
      }
    });
  },

  "forgot-password": () => onSubmit("#forgot-password", async (fields) => {
    await send("POST", "/forgot-password", fields);
    $("#forgot-password").hidden = true;
    notify(say("say.reset_sent", { email: fields.email }));
  }),

  "reset-password": () => withToken("#reset-password", async (fields, form) => {
    await send("POST", "/reset-password", { token: handed.get("token"), new_password: fields.new_password });
    form.hidden = true;
    notify(say("say.password_set"));
  }),

  "verify-email": () => {
    withToken("#verify-email", async (_, form) => {
      await send("POST", "/verify-email", { token: handed.get("token") });
      form.hidden = true;
      notify(say("say.verified"));
    });
    onSubmit("#resend", async (fields) => {
      await send("POST", "/resend-verification", fields);
      notify(say("say.verification_sent", { email: fields.email }));
    });
  },

  "confirm-email": () => withToken("#confirm-email", async (_, form) => {
    await call("POST", "/confirm-email", { token: handed.get("token") });
    form.hidden = true;
    notify(say("say.email_changed"));
  }),

  invitation: () => {
    onSubmit("#invitation-new", () => go("register", { invitation: handed.get("token") ?? "" }));
    withToken("#invitation-known", async () => {
      try {
        me = await call("GET", "/me");
      } catch (error) {
        if (ended(error)) {
          signIn();
          return;
        }
        throw error;
      }
      if (await proven((proof) => call("POST", "/accept-invitation", { token: handed.get("token"), ...proof }))) {
        go("organization");
      }
    });
  },
};

// withToken is onSubmit for a form that needs the token of a mail.
function withToken(selector, act) {
  onSubmit(selector, act);
  if (!handed.get("token")) {
    $(selector).hidden = true;
    show($("#alert"), say("error.no_token"));
  }
}

// start runs the function of the page. A page inside needs a session first.
async function start() {
  if ($("#sign-out")) {
    $("#sign-out").addEventListener("click", async () => {
      await call("POST", "/logout").catch((error) => {
        if (!ended(error)) {
          throw error;
        }
      }).then(() => location.assign("sign-in"), alertOf);
    });
    try {
      me = await call("GET", "/me");
    } catch (error) {
      if (ended(error)) {
        signIn();
        return;
      }
      throw error;
    }
  }
  await pages[page]?.();
  root.dataset.ready = "";
}

start().catch(alertOf);
