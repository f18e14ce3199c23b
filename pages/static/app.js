// The script of the pages. It is a client of the API like any other: it keeps no token, and nothing in
// the browser. The server decides everything; this file only shows it.
//
// In order: calls of the API, texts, forms, the proof of a password, and then a function for each page.

const root = document.documentElement;
const { page, api: base, home } = root.dataset;
const $ = (selector, from = document) => from.querySelector(selector);
const inside = Boolean($("#sign-out"));
const mayEnrol = Boolean($("[data-enrol]")) && page !== "security"; // the page security never leads to itself

// --- Calls of the API ---

// A Refusal is an answer of the API that is not a success. Its code is stable; see package httpauth.
class Refusal extends Error {
  constructor(status, problem) {
    super(problem.code);
    Object.assign(this, { status, code: problem.code, detail: problem.detail, retryAfter: problem.retry_after, errors: problem.errors ?? [], values: problem.values });
  }
}

// now is the time of the service: the clock of a user may be wrong by hours.
let ahead = 0; // milliseconds
const now = () => Date.now() + ahead;

async function send(method, path, body) {
  let answer;
  try {
    answer = await fetch(base + path, {
      method,
      signal: AbortSignal.timeout(60000),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, { code: "offline" });
  }
  ahead = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
  const data = await answer.json().catch(() => undefined);
  if (answer.status === 404 && !data?.code) {
    console.error(`The API of these pages is not at ${base}: see API of pages.Config.`);
  }
  if (!answer.ok || !data) { // without data it was cut off, or something between has answered
    throw new Refusal(answer.status, data ?? { code: answer.ok ? "offline" : "unavailable" });
  }
  return data;
}

// call sends a request. If the access token has expired, it is refreshed first. Several tabs may do
// that at once. A page inside is left if the session is over or needs a second factor first.
async function call(method, path, body) {
  try {
    return await refreshing(() => send(method, path, body));
  } catch (refused) {
    if (inside && ended(refused)) {
      return leadTo("sign-in");
    }
    if (mayEnrol && refused.code === "two_factor_setup_required") {
      return leadTo("security");
    }
    throw refused;
  }
}

async function refreshing(act) {
  try {
    return await act();
  } catch (refused) {
    if (refused.code !== "invalid_token") {
      throw refused;
    }
    await send("POST", "/refresh");
    return act();
  }
}

// found is act for a change that a lost answer leaves open. Then look says what has become of it: it
// returns what act would have, throws what to do, or returns nothing if act has done nothing.
async function found(act, look) {
  const lost = (error) => ["offline", "unavailable", "internal_error"].includes(error.code);
  try {
    return await act();
  } catch (error) {
    if (!lost(error)) {
      throw error;
    }
    const answer = await look().catch((next) => {
      throw lost(next) ? new Refusal(0, { code: "unsure" }) : next;
    });
    if (!answer) {
      throw error;
    }
    return answer;
  }
}

// lostAs is a look that cannot find out. The text of the code says what to do.
const lostAs = (code) => async () => {
  throw new Refusal(0, { code });
};

// unless returns what takes an error with this code for no answer.
const unless = (code) => (error) => {
  if (error.code !== code) {
    throw error;
  }
};

// changed is a look at the profile, of which a member is another then.
const changed = (member) => async () => {
  const user = await call("GET", "/me");
  return user[member] !== me[member] && user;
};

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
  const seconds = error.status === 429 && error.retryAfter; // others are no fault of the user's
  if (seconds > 90) {
    return say("error.wait_minutes", { minutes: Math.ceil(seconds / 60) });
  }
  if (seconds) {
    return say("error.wait_seconds", { seconds });
  }
  const key = "error." + error.code;
  return texts.has(key) ? say(key, error.values) : error.detail ?? say("error.internal_error");
}

// roleName returns a role in words. A service may have roles of its own, whose names are their words.
const roleName = (role) => texts.get("say.role." + role) ?? role;

const when = (time) => new Date(time).toLocaleString(root.lang, { dateStyle: "medium", timeStyle: "short" });

function show(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

function clearNotices() {
  show($("#alert"), "");
  show($("#notice"), "");
}

// notify shows a success, and alertOf a failure, at the top of the page.
function notify(text) {
  clearNotices();
  show($("#notice"), text);
  $("#notice").scrollIntoView({ block: "nearest" });
}

function alertOf(error) {
  clearNotices();
  show($("#alert"), explain(error));
  $("#alert").scrollIntoView({ block: "nearest" });
}

// --- Elements ---

// make returns an element. Children are elements, or texts that are never read as HTML.
function make(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

// draw is make for an element of SVG.
function draw(tag, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child || child === 0));
  return element;
}

// button returns a button that does something once at a time. In a list, its name says of which row it is.
function button(key, act, kind = "quiet", row = "") {
  const b = make("button", { type: "button", class: kind, "aria-label": row ? `${say(key)}: ${row}` : undefined }, say(key));
  onPress(b, act);
  return b;
}

function onPress(b, act) {
  b?.addEventListener("click", () => {
    clearNotices();
    busy(b, act).catch(alertOf);
  });
}

// busy runs act with the button off. After half a second it shows that it works.
async function busy(b, act) {
  if (b.getAttribute("aria-disabled") === "true") {
    return new Promise(() => {}); // what was begun goes on
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
function copyButton(text, key = "say.copy") {
  const b = make("button", { type: "button", class: "quiet", "aria-live": "polite" }, say(key));
  b.addEventListener("click", async () => {
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false); // none without HTTPS
    b.textContent = say(copied ? "say.copied" : "say.copy_by_hand");
  });
  return b;
}

// save hands a file to the browser to keep.
function save(name, media, text) {
  const url = URL.createObjectURL(new Blob([text], { type: media }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// facts returns a list of terms with their values. A fact without a value is left out.
function facts(pairs) {
  const known = Object.entries(pairs).filter(([, value]) => value);
  return make("dl", {}, ...known.flatMap(([key, value]) => [make("dt", {}, say(key)), make("dd", {}, value)]));
}

// fill shows a row for each item of a list, or the text for none.
function fill(list, items, row) {
  list.replaceChildren(...items.map(row));
  list.hidden = items.length === 0;
  $("#" + list.id + "-none").hidden = items.length > 0;
}

// focus moves to what has appeared. The page stays where it is, which shows the notice.
function focus(element) {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

// --- Forms ---

// onSubmit calls act with the fields of a form. What the API refuses is shown beside its field.
function onSubmit(selector, act) {
  const form = $(selector);
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearErrors(form);
    const fields = fieldsOf(form);
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

// fieldsOf returns what was typed into a form, without white space around it.
function fieldsOf(form) {
  const fields = Object.fromEntries(new FormData(form));
  for (const name of Object.keys(fields)) {
    if (name === "code") {
      fields.code = fields.code.replace(/[\s-]/g, ""); // as authenticators and lists of codes show them
    } else if (!name.includes("password")) {
      fields[name] = fields[name].trim();
    }
  }
  return fields;
}

function clearErrors(form) {
  clearNotices();
  show($(".alert", form) ?? $("#alert"), "");
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
  const fields = { email_taken: "email", already_member: "email", invalid_credentials: "current_password" };
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
  input.form.addEventListener("reset", () => { hint.textContent = usual; });
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

// A link to the page that is open changes the fragment alone: then it is loaded again, with what is handed.
addEventListener("hashchange", () => location.hash.includes("=") && location.reload());

function linkTo(to, values) {
  const fragment = new URLSearchParams(values).toString();
  return to + (fragment && "#" + fragment);
}

function go(to, values = {}) {
  location.assign(linkTo(to, values));
}

// leadTo goes to a page that leads back here, with what this one was handed. It never returns.
function leadTo(to) {
  go(to, { next: page, ...Object.fromEntries(handed) });
  return new Promise(() => {});
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

// enter goes on after a login, if the browser has kept the cookie.
async function enter() {
  try {
    await call("GET", "/me");
  } catch (error) {
    throw ended(error) ? cookieMissing() : error;
  }
  goOn();
}

const cookieMissing = () => new Refusal(0, { code: location.protocol === "http:" ? "cookie_missing_http" : "cookie_missing" });

// Another tab may have signed out, or somebody else in. Then the page is not what its user may do any more.
addEventListener("focus", async () => {
  if (inside && me) {
    const user = await refreshing(() => send("GET", "/me")).catch((error) => (ended(error) ? {} : me));
    if (user.id !== me.id) {
      location.reload();
    }
  }
});

// Browsers keep a page that was left, for the button Back, with all that was typed and shown. So it is
// emptied and hidden, and loaded again when it comes back: somebody else may sit there by then.
addEventListener("pagehide", () => {
  document.body.hidden = true;
  for (const form of document.forms) {
    form.reset();
  }
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

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

// prove asks for the password, and for a code if the account has a second factor. The text says why.
function prove(act, why = "say.proof_old") {
  const dialog = $("#proof");
  $("form", dialog).reset();
  $("form", dialog).elements.username.value = me.email; // for password managers
  $("[data-why]", dialog).textContent = say(why);
  $(".code", dialog).hidden = !me.two_factor_enabled;
  return ask(dialog, async ({ password, code }) => {
    try {
      return await act({ password, code: code || undefined });
    } catch (error) {
      if (error.code === "invalid_credentials") {
        error.code = me.two_factor_enabled ? "wrong_proof" : "wrong_password";
      }
      throw error;
    }
  });
}

// confirmed asks before something that cannot be undone.
function confirmed(question) {
  const dialog = $("#confirm");
  $("h2", dialog).textContent = question;
  return ask(dialog, () => true);
}

// What to try again, in a dialog that stays open.
const retried = ["wrong_proof", "wrong_password", "reauthentication_required", "invalid_code", "rate_limited", "overloaded", "unavailable", "offline"];

// ask opens a dialog, and calls act with the fields of its form. It returns undefined if the user did
// not want to. What is wrong with a field is shown there, and the dialog stays open.
function ask(dialog, act) {
  const form = $("form", dialog);
  clearErrors(form);
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const left = new AbortController();
    const on = (element, type, listener) => element.addEventListener(type, listener, { signal: left.signal });
    const submit = $("[type=submit]", form);
    const close = (settle, value) => {
      left.abort();
      dialog.close();
      form.reset();
      settle(value);
    };
    // What was begun is not cancelled by leaving: its answer is shown.
    const cancel = () => submit.getAttribute("aria-disabled") === "true" || close(resolve);
    on(dialog, "cancel", (event) => {
      event.preventDefault();
      cancel();
    });
    on(dialog, "close", () => dialog.open || dialog.showModal()); // browsers close it at a second Escape
    on($("[data-close]", dialog), "click", cancel);
    on(form, "submit", async (event) => {
      event.preventDefault();
      clearErrors(form);
      try {
        close(resolve, await busy(submit, () => act(fieldsOf(form))));
      } catch (error) {
        if (retried.includes(error.code) || error.errors?.some(({ field }) => form.elements.namedItem(field))) {
          refuse(form, error);
        } else {
          close(reject, error);
        }
      }
    });
  });
}

// --- The pages ---

let me; // the profile, on pages inside

const pages = {
  "sign-in": () => {
    const [first, second] = [$("#sign-in"), $("#second-step")];
    if (handed.get("next")) {
      notify(say("say.sign_in_first"));
    }
    if (handed.get("next") === "invitation" && $("#to-register")) {
      $("#to-register").href = linkTo("register", { invitation: handed.get("token") ?? "" });
      $("#to-register").hidden = false;
    }
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
          throw navigator.cookieEnabled && isSecureContext ? new Refusal(0, { code: "second_step_over" }) : cookieMissing();
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
      $("#to-sign-in").href = linkTo("sign-in", { next: "invitation", token: invitation, known: "1" });
    } else if ($("#register").dataset.closed !== undefined) {
      $("#register").hidden = true;
      show($("#alert"), say("error.registration_closed"));
    }
    onSubmit("#register", async (fields) => {
      if (invitation) {
        delete fields.organization_name;
        fields.invitation_token = invitation;
      } else if (!fields.organization_name) {
        delete fields.organization_name;
      }
      const login = () => send("POST", "/login", { email: fields.email, password: fields.password });
      const answer = await found(async () => {
        await send("POST", "/register", fields).catch(refuseInvitation);
        return login();
      }, () => login().catch(unless("invalid_credentials"))).catch(unless("email_not_verified"));
      if (answer) {
        await enter();
      } else {
        $("#register").reset();
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
    await found(() => send("POST", "/reset-password", { token: handed.get("token"), new_password: fields.new_password }), lostAs("link_lost"));
    form.reset();
    form.hidden = true;
    notify(say("say.password_set"));
  }),

  "verify-email": () => {
    withToken("#verify-email", async (_, form) => {
      await found(() => send("POST", "/verify-email", { token: handed.get("token") }), lostAs("link_lost"));
      form.hidden = true;
      notify(say("say.verified"));
    });
    onSubmit("#resend", async (fields) => {
      await send("POST", "/resend-verification", fields);
      notify(say("say.verification_sent", { email: fields.email }));
    });
  },

  "confirm-email": () => withToken("#confirm-email", async (_, form) => {
    await found(() => call("POST", "/confirm-email", { token: handed.get("token") }), changed("email"));
    form.hidden = true;
    notify(say("say.email_changed"));
  }),

  // An invitation is for one address. Who has no account makes one, and who has one sees first which
  // account it is that moves. "known" means: back from the login.
  invitation: async () => {
    const token = handed.get("token");
    const accept = $("#invitation-accept");
    withToken("#invitation-new", () => go("register", { invitation: token }));
    withToken("#invitation-known", async () => {
      handed.set("known", "1");
      try {
        me = await call("GET", "/me");
      } catch (error) {
        if (ended(error)) {
          leadTo("sign-in");
          return;
        }
        throw error;
      }
      offer();
    });
    withToken("#invitation-accept", async () => {
      if (await proven((proof) => found(() => call("POST", "/accept-invitation", { token, ...proof }).catch(refuseInvitation), changed("organization_id")))) {
        go("organization");
      }
    });
    const offer = () => {
      $("#choice").hidden = true;
      show($("#signed-in"), say("say.signed_in_as", { email: me.email }));
      accept.hidden = false;
      accept.focus();
    };
    $("#other-account").addEventListener("click", () => call("POST", "/logout").then(() => leadTo("sign-in"), alertOf));
    if (!token) {
      $("#choice").hidden = true;
    } else if (handed.has("known")) {
      me = await call("GET", "/me");
      offer();
    }
  },

  account: async () => {
    const profile = (changed) => {
      me = changed;
      showProfile();
    };
    onSubmit("#name", async (fields) => {
      profile(await call("PATCH", "/me", fields));
      notify(say("say.saved"));
    });
    onSubmit("#new-email", async ({ email }, form) => {
      const changed = await proven(({ password, code }) => call("PATCH", "/me", { email, current_password: password, code }));
      if (changed) {
        form.reset();
        profile(changed);
        notify(say(me.pending_email ? "say.confirm_sent" : "say.email_changed", { email }));
      }
    });
    onPress($("#keep-email"), async () => {
      await call("DELETE", "/me/pending-email");
      profile(await call("GET", "/me"));
      focus($("#profile-title"));
      notify(say("say.email_kept"));
    });
    onPress($("#verify-again"), async () => {
      await call("POST", "/resend-verification", { email: me.email });
      notify(say("say.verification_sent", { email: me.email }));
    });
    onSubmit("#password", async ({ current_password, new_password }, form) => {
      await found(() => call("POST", "/change-password", { current_password, new_password }), lostAs("password_lost"));
      form.reset();
      notify(say("say.password_changed"));
    });
    onPress($("#export"), async () => {
      const data = await proven((proof) => call("POST", "/me/export", proof));
      if (data) {
        save("account.json", "application/json", JSON.stringify(data, null, 2));
      }
    });
    onPress($("#delete"), async () => {
      const gone = () => refreshing(() => send("GET", "/me")).then(() => false, (error) => ended(error) || Promise.reject(error));
      if (await prove((proof) => found(() => call("POST", "/delete-account", proof), gone), "say.proof_delete")) {
        for (const part of document.querySelectorAll("main section, nav")) {
          part.remove();
        }
        notify(say("say.deleted"));
        focus($("main"));
      }
    });
    if (mayEnrol && factorDue(await call("GET", "/two-factor"))) {
      await leadTo("security");
    }
    $("#name").elements.full_name.value = me.full_name;
    showProfile();
  },

  security: () => {
    onSubmit("#confirm-2fa", confirmFactor);
    onPress($("#cancel-2fa"), endSetUp);
    onPress($("#end-others"), endOthers);
    return showSecurity();
  },

  "api-keys": async () => {
    onSubmit("#new-key", async (fields, form) => {
      const { name, description, expires_in_days: days, scopes } = fields;
      const body = { name, description: description || undefined, expires_in_days: number(days), scopes: scopes ? scopes.split(/\s+/) : undefined };
      if (await takeKey(name, (made) => proven((proof) => made("/api-keys", { ...body, ...proof })))) {
        form.reset();
      }
    });
    await showKeys();
  },

  organization: async () => {
    const [about, first] = await Promise.all([call("GET", "/organization"), call("GET", "/organization/members")]);
    // The API tells only admins who has a second factor. So its answer says whether the caller is one, also
    // where the service has roles of its own above "admin".
    const admin = first.members.some((member) => "two_factor_enabled" in member);
    $("#name").textContent = about.name;
    $("#size").textContent = say("say.members", about);
    showMembers(first, admin);
    $("#leaving").hidden = about.members === 1; // who is alone leaves nobody
    onPress($("#leave"), leave);
    if (!admin) {
      return;
    }
    $("#rename").elements.name.value = about.name;
    $("#rename").hidden = false;
    $("#name").hidden = true; // it is in the form
    onSubmit("#rename", async (fields) => {
      await call("PATCH", "/organization", fields);
      notify(say("say.renamed"));
    });
    if ($("#invitations")) {
      $("#invite-role").append(...optionsOf(given()[0]));
      onSubmit("#invite", invite);
      await showInvitations();
      $("#invitations").hidden = false;
    }
  },
};

// --- The account ---

// showProfile shows what is known about the account, and what waits for a mail.
function showProfile() {
  const verified = say(me.email_verified ? "say.is_verified" : "say.not_verified");
  $("#profile").replaceChildren(facts({
    "say.name": me.full_name,
    "say.email": `${me.email} (${verified})`,
    "say.role": roleName(me.role),
    "say.organization": me.organization_name,
    "say.made": when(me.created_at),
  }));
  $("#password").elements.username.defaultValue = me.email; // for password managers
  if ($("#pending")) {
    $("#pending").hidden = !me.pending_email;
    $("#pending p").textContent = say("say.pending", { email: me.pending_email });
    $("#verify-again").hidden = me.email_verified;
  }
}

// --- Security ---

// factorDue reports whether an account must have a second factor before it can do anything else.
const factorDue = (state) => state.required && !state.enabled && !(new Date(state.required_from) > now());

// showSecurity shows everything that the account may see now.
async function showSecurity() {
  const state = $("#factor") && await showFactor();
  if (!state || !factorDue(state)) { // the API opens nothing else until then
    await showAccess();
  }
}

// showFactor shows the second factor, and what can be done about it.
async function showFactor() {
  const state = await call("GET", "/two-factor");
  me.two_factor_enabled = state.enabled;
  const { enabled, backup_codes_left: left, required_from: from } = state;
  $("#factor-state").textContent = enabled ? say("say.factor_on", { since: when(state.enabled_at), left }) : say("say.factor_off");
  show($("#few-codes"), enabled && left < 4 ? say("say.few_codes") : "");
  let why = "";
  if (state.required && enabled) {
    why = say("say.factor_stays");
  } else if (state.required) {
    why = factorDue(state) ? say("say.factor_due") : say("say.factor_from", { from: when(from) });
  }
  show($("#factor-why"), why);
  const begin = button("say.set_up", setUpFactor, "");
  const codes = button("say.new_codes", async () => {
    const made = await prove((proof) => found(() => call("POST", "/backup-codes", proof), lostAs("codes_lost")), "say.proof_codes");
    if (made) {
      await showFactor();
      showCodes(made.backup_codes, button("say.codes_kept", endSetUp, ""));
    }
  });
  const off = button("say.turn_off", async () => {
    const why = state.required ? "say.proof_off_required" : "say.proof_off";
    if (await prove((proof) => call("POST", "/disable-2fa", proof), why)) {
      await showSecurity();
      focus($("#factor-title"));
      notify(say("say.factor_is_off"));
    }
  }, "danger");
  $("#factor").replaceChildren(...(enabled ? [codes, off] : [begin]));
  $("#others").hidden = factorDue(state);
  return state;
}

// setUpFactor shows what an authenticator needs, and asks for a first code.
async function setUpFactor() {
  const made = await proven((proof) => call("POST", "/enable-2fa", proof));
  if (!made) {
    return;
  }
  $("#factor").hidden = true;
  $("#set-up").hidden = false;
  $("#secret").textContent = made.secret.replace(/(.{4})(?=.)/g, "$1 ");
  $("#copy-secret").replaceChildren(copyButton(made.secret, "say.copy_secret"));
  $("#authenticator").href = made.otpauth_url;
  await paint($("#qr"), made.qr_code);
  showCodes(made.backup_codes);
  $("#confirm-2fa").hidden = false;
  focus($("#set-up h3"));
  $("#set-up").scrollIntoView({ block: "nearest" });
}

// paint draws a picture that came as a data URI. The policy of the pages lets no such image load.
async function paint(canvas, uri) {
  const [head, data] = uri.split(",");
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: head.slice("data:".length).split(";")[0] }));
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").drawImage(picture, 0, 0);
}

// showCodes shows new backup codes, with ways to keep them.
function showCodes(codes, ...more) {
  const list = codes.join("\n");
  const of = say("say.codes_of", { email: me.email, service: $(".brand").textContent.trim(), time: when(now()) });
  $("#codes-of").textContent = of;
  $("#codes ol").replaceChildren(...codes.map((code) => make("li", {}, code)));
  $("#codes .buttons").replaceChildren(
    copyButton(list, "say.copy_codes"),
    button("say.download", () => save("backup-codes.txt", "text/plain", `${of}\n\n${list}\n`)),
    button("say.print", () => window.print()),
    ...more,
  );
  $("#codes").hidden = false;
  if (more.length > 0) {
    focus($("#codes h3"));
    $("#codes").scrollIntoView({ block: "nearest" });
  }
}

// endSetUp removes the secrets from the page.
function endSetUp() {
  for (const part of ["#set-up", "#codes", "#confirm-2fa"]) {
    $(part).hidden = true;
  }
  $("#confirm-2fa").reset();
  $("#codes ol").replaceChildren();
  $("#secret").textContent = "";
  $("#copy-secret").replaceChildren();
  $("#authenticator").removeAttribute("href");
  $("#qr").width = 0;
  $("#factor").hidden = false;
  focus($("#factor-title"));
}

// confirmFactor turns the second factor on. The backup codes stay until the user says that they are kept.
async function confirmFactor({ code }) {
  const codes = [...$("#codes ol").children].map((item) => item.textContent);
  try {
    await found(() => call("POST", "/confirm-2fa", { code }), async () => (await call("GET", "/two-factor")).enabled);
  } catch (error) {
    if (error.code === "two_factor_not_enabled") {
      endSetUp();
      error.code = "set_up_over";
    }
    throw error;
  }
  endSetUp();
  await showSecurity();
  showCodes(codes, button("say.codes_kept", endSetUp, ""));
  notify(say("say.factor_is_on"));
  if (handed.get("next")) {
    $("#factor").prepend(button("say.go_on", goOn, ""));
  }
}

// showAccess lists where the account is signed in, and the trusted devices.
async function showAccess() {
  const remove = (path, title, text) => async () => {
    await call("DELETE", path);
    await showAccess();
    focus($(title));
    notify(say(text));
  };
  const [{ sessions }, { trusted_devices: devices }] = await Promise.all([
    $("#sessions") ? call("GET", "/sessions") : { sessions: [] },
    $("#devices") ? call("GET", "/trusted-devices") : { trusted_devices: [] },
  ]);
  const named = (one) => one.device || say("say.unknown_device");
  const row = (one, more, act) => make("li", {},
    make("h3", {}, named(one) + (one.current ? ` (${say("say.this_one")})` : "")),
    facts({ "say.address": one.address, "say.made": when(one.created_at), ...more, "say.ends": when(one.expires_at) }),
    make("p", { class: "buttons" }, act));
  const name = (one) => `${named(one)}, ${when(one.created_at)}`;
  if ($("#sessions")) {
    fill($("#sessions"), sessions, (one) => row(one, { "say.refreshed": when(one.refreshed_at) }, one.current
      ? button("say.end_this", async () => {
        await call("DELETE", "/sessions/" + one.id);
        location.assign("sign-in");
      }, "danger")
      : button("say.end", remove("/sessions/" + one.id, "#sessions-title", "say.session_ended"), "danger", name(one))));
    $("#end-others").hidden = sessions.length < 2;
  }
  if ($("#devices")) {
    fill($("#devices"), devices, (one) => row(one, { "say.last_used": when(one.last_used_at) },
      button("say.remove", remove("/trusted-devices/" + one.id, "#devices-title", "say.device_removed"), "danger", name(one))));
  }
}

// endOthers ends every session but this one, and the trust in every device.
async function endOthers() {
  if (await confirmed(say("say.end_others"))) {
    const { ended } = await call("POST", "/logout-others");
    await showAccess();
    focus($("#sessions-title"));
    notify(say("say.others_ended", { ended }));
  }
}

// --- API keys ---

// number returns what was typed as a number. The API refuses what is none.
const number = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : text || undefined);

// showKeys lists the keys, with the focus on the one that has changed.
async function showKeys(id) {
  const { api_keys: keys } = await call("GET", "/api-keys");
  fill($("#keys"), keys, (key) => keyRow(key, keys));
  if (id) {
    focus($(`#keys [data-id="${id}"] h3`) ?? $("#keys-title"));
  }
}

// keyRow returns a key with what can be done about it. The new key of one that was replaced is among keys.
function keyRow(key, keys) {
  const over = key.expires_at && new Date(key.expires_at) <= now();
  const state = over ? "say.key_over" : !key.enabled ? "say.key_disabled" : key.replaced_by ? "say.key_replaced" : "say.key_enabled";
  const successor = keys.find((other) => other.id === key.replaced_by);
  const name = `${key.name}, ${key.key_prefix}`;
  const path = "/api-keys/" + key.id;
  const usage = make("div", { hidden: true });
  const seen = button("say.usage", () => showUsage(path, usage, seen), "quiet", name);
  seen.setAttribute("aria-expanded", "false");
  const change = async (body, text) => {
    if (await proven((proof) => call("PATCH", path, { ...body, ...proof }))) {
      await showKeys(key.id);
      notify(say(text));
    }
  };
  return make("li", { "data-id": key.id },
    make("h3", {}, key.name),
    key.description && make("p", {}, key.description),
    facts({
      "say.prefix": make("code", {}, key.key_prefix),
      "say.state": say(state, { by: successor ? successor.key_prefix : "" }),
      "say.scopes": key.scopes?.join(" ") ?? say("say.all_scopes"),
      "say.made": when(key.created_at),
      "say.last_used": key.last_used_at ? when(key.last_used_at) : say("say.never"),
      "say.ends": key.expires_at ? when(key.expires_at) : say("say.no_end"),
    }),
    make("p", { class: "buttons" },
      seen,
      button("say.edit", () => editKey(key), "quiet", name),
      !over && (key.enabled ? button("say.disable", () => change({ enabled: false }, "say.is_disabled"), "quiet", name)
        : button("say.enable", () => change({ enabled: true }, "say.is_enabled"), "quiet", name)),
      state === "say.key_enabled" && button("say.rotate", () => rotateKey(key), "quiet", name),
      button("say.revoke", async () => {
        if (await confirmed(say("say.revoke_this", { name }))) {
          await call("DELETE", path);
          await showKeys("none");
          notify(say("say.revoked"));
        }
      }, "danger", name)),
    usage);
}

// editKey asks for another name and description.
async function editKey(key) {
  const dialog = $("#edit-key");
  const { name, description } = $("form", dialog).elements;
  [name.value, description.value] = [key.name, key.description];
  if (await ask(dialog, (fields) => call("PATCH", "/api-keys/" + key.id, fields))) {
    await showKeys(key.id);
    notify(say("say.saved"));
  }
}

// rotateKey asks how long the old key works on, and shows the new one.
async function rotateKey(key) {
  const dialog = $("#rotate-key");
  $("form", dialog).reset();
  $("h2", dialog).textContent = `${say("say.rotate")}: ${key.name}`;
  await takeKey(key.name, (made) => ask(dialog, ({ overlap_hours: hours }) =>
    proven((proof) => made(`/api-keys/${key.id}/rotate`, { overlap_hours: number(hours), ...proof }))));
}

// takeKey shows the key that act makes by the call that it is given. If the answer is lost, the list has
// the key that appeared, and its secret is lost too.
async function takeKey(name, act) {
  const known = [...$("#keys").children].map((row) => row.dataset.id);
  const look = async () => {
    const { api_keys: keys } = await call("GET", "/api-keys");
    const key = keys.find((one) => one.name === name && !known.includes(one.id));
    if (key) {
      throw new Refusal(0, { code: "key_lost", values: { name: `${name}, ${key.key_prefix}`, id: key.id } });
    }
  };
  try {
    const made = await act((path, body) => found(() => call("POST", path, body), look));
    if (made) {
      await showKey(made);
      await showKeys(made.id);
    }
    return made;
  } catch (error) {
    if (error.code === "key_lost") {
      await showKeys(error.values.id);
    }
    throw error;
  }
}

// showKey shows a new key, until the user says that it is kept: nobody can show it again.
function showKey({ key, name }) {
  const dialog = $("#new-key-shown");
  const [title, secret] = [$("h2", dialog), $(".secret", dialog)];
  title.textContent = say("say.key_of", { name });
  secret.textContent = key;
  $(".copy", dialog).replaceChildren(copyButton(key, "say.copy_key"));
  const stay = (event) => event.preventDefault();
  window.addEventListener("beforeunload", stay);
  dialog.showModal();
  return new Promise((resolve) => {
    let kept = false;
    $("form", dialog).onsubmit = () => { kept = true; };
    dialog.oncancel = stay;
    dialog.onclose = () => {
      if (!kept) {
        dialog.showModal(); // browsers close it at a second Escape
        return;
      }
      window.removeEventListener("beforeunload", stay);
      secret.textContent = "";
      $(".copy", dialog).replaceChildren();
      resolve();
    };
  });
}

// showUsage shows or hides the usage of a key.
async function showUsage(path, place, b) {
  if (place.hidden) {
    const { total, last_used_at: last, last_used_address: address, networks, hours } = await call("GET", path + "/usage");
    place.replaceChildren(make("div", {},
      make("h4", {}, say("say.usage")),
      facts({ "say.total": total.toLocaleString(root.lang), "say.last_used": last ? when(last) : say("say.never"), "say.address": address }),
      hours.length > 0 && chart(hours),
      networks.length > 0 && make("h5", {}, say("say.networks")),
      make("ul", {}, ...networks.map((one) =>
        make("li", {}, `${one.network}: ${one.first_seen ? when(one.first_seen) : "?"} – ${when(one.last_seen)}`)))));
  }
  place.hidden = !place.hidden;
  b.setAttribute("aria-expanded", String(!place.hidden));
}

// chart returns a bar for each of the last 168 hours, and the same as a table.
function chart(hours) {
  const hour = 3600000;
  const last = Math.floor(Math.max(now(), Date.parse(hours.at(-1).from)) / hour);
  const most = hours.reduce((a, b) => (b.uses > a.uses ? b : a));
  const uses = hours.reduce((sum, one) => sum + one.uses, 0);
  const text = say("say.chart", { uses, most: most.uses, time: when(most.from) });
  return make("figure", {},
    draw("svg", { class: "chart", viewBox: "0 0 168 40", preserveAspectRatio: "none", role: "img", "aria-label": text },
      ...hours.map((one) => {
        const height = Math.max(1, (40 * one.uses) / most.uses);
        return draw("rect", { x: 167 - last + Date.parse(one.from) / hour, y: 40 - height, width: 0.9, height });
      })),
    make("figcaption", {}, text),
    make("details", {}, make("summary", {}, say("say.by_hour")),
      make("table", {},
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, say("say.from")), make("th", { scope: "col" }, say("say.uses")))),
        make("tbody", {}, ...hours.map((one) => make("tr", {}, make("td", {}, when(one.from)), make("td", {}, one.uses)))))));
}

// --- An invitation ---

// refuseInvitation says what may be wrong with an invitation. The API does not tell, so that nobody finds out.
function refuseInvitation(error) {
  throw error.code === "invalid_one_time_token" ? new Refusal(error.status, { code: "invitation_refused" }) : error;
}

// --- The organization ---

const roles = root.dataset.roles.split(" "); // the lowest first

// given returns the roles that the caller, an admin, may give and take: none above their own.
const given = () => roles.slice(0, roles.indexOf(me.role) + 1);

const optionsOf = (chosen) => given().map((role) => make("option", { value: role, selected: role === chosen }, roleName(role)));

// showMembers shows a page of members, and offers the next one.
function showMembers(list, admin) {
  let next;
  const add = (part) => {
    const rows = part.members.map((member) => memberRow(member, admin));
    $("#members").append(...rows);
    next = part.next;
    $("#more").hidden = !next;
    return rows;
  };
  add(list);
  onPress($("#more"), async () => {
    const [first] = add(await call("GET", "/organization/members?after=" + encodeURIComponent(next)));
    first?.focus();
  });
}

function memberRow(member, admin) {
  const name = member.full_name || member.email;
  const line = [
    roleName(member.role), say("say.since", { time: when(member.joined_at) }),
    admin && say(member.two_factor_enabled ? "say.second_factor_on" : "say.second_factor_off"), member.disabled && say("say.disabled"),
  ];
  const row = make("li", { tabindex: "-1" },
    make("strong", {}, name), member.id === me.id && " " + say("say.you"),
    make("small", {}, member.email), make("small", {}, line.filter(Boolean).join(" · ")));
  if (admin && given().includes(member.role)) {
    row.append(memberButtons(member, name, row));
  }
  return row;
}

function memberButtons(member, name, row) {
  const path = "/organization/members/" + member.id;
  const select = make("select", { "aria-label": say("say.role_of", { name }) }, ...optionsOf(member.role));
  const change = async () => {
    const role = select.value;
    const changed = await proven((proof) => call("PATCH", path, { role, ...proof }));
    if (changed && member.id === me.id) {
      location.reload(); // the page has other parts now
    } else if (changed) {
      const next = memberRow(changed, true);
      row.replaceWith(next);
      notify(say("say.role_changed", { name, role: roleName(role) }));
      focus(next);
    }
  };
  const remove = async () => {
    if (await confirmed(say("say.remove_question", { name })) && await proven((proof) => call("POST", path + "/remove", proof))) {
      row.remove();
      notify(say("say.removed", { name }));
      focus($("#members-title"));
    }
  };
  return make("div", { class: "buttons" }, select, button("say.change_role", change, "quiet", name),
    member.id !== me.id && button("say.remove", remove, "danger", name));
}

async function showInvitations() {
  const { invitations } = await call("GET", "/organization/invitations");
  $("#invited").replaceChildren(...invitations.map(invitationRow));
  return invitations;
}

function invitationRow({ id, email, role, expires_at: end }) {
  return make("li", {},
    make("strong", {}, email), make("small", {}, [roleName(role), say("say.until", { time: when(end) })].join(" · ")),
    make("div", { class: "buttons" }, button("say.withdraw", async () => {
      await call("DELETE", "/organization/invitations/" + id);
      await showInvitations();
      notify(say("say.withdrawn", { email }));
      focus($("#invitations-title"));
    }, "danger", email)));
}

async function invite(fields, form) {
  const { email, invitation_token: token } = await found(() => call("POST", "/organization/invitations", fields), async () => {
    const invitations = await showInvitations();
    if (invitations.some((one) => one.email.toLowerCase() === fields.email.toLowerCase())) {
      throw new Refusal(0, { code: "invitation_lost", values: fields });
    }
  });
  form.reset();
  await showInvitations();
  $("#link").hidden = !token;
  if (token) { // the service sends no mail: the link is shown once
    const link = new URL(linkTo("invitation", { token }), location.href).href;
    $("#link").replaceChildren(make("p", { id: "link-title" }, say("say.invitation_link", { email })),
      make("p", {}, make("code", {}, link)), make("p", { class: "buttons" }, copyButton(link)));
    $("#link").focus();
  } else {
    notify(say("say.invited", { email }));
  }
}

async function leave() {
  if (await confirmed(say("say.leave_question")) && await proven((proof) => found(() => call("POST", "/organization/leave", proof), changed("organization_id")))) {
    location.reload(); // it shows the new organization, or asks an account that is disabled to sign in
  }
}

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
  if (inside) {
    $("#sign-out").addEventListener("click", async () => {
      await send("POST", "/logout").catch((error) => {
        if (!ended(error)) {
          throw error;
        }
      }).then(() => location.assign("sign-in"), alertOf);
    });
    me = await call("GET", "/me");
  }
  await pages[page]?.();
  root.dataset.ready = "";
}

$("#late").remove(); // the script is there
start().catch(alertOf);
