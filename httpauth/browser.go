package httpauth

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/datixlab/auth"
)

// A cookie is sent by the browser, whichever page caused the request. So it is a credential only
// at a Browser, and these rules hold there:
//
//   - No script reads the tokens. The cookies are HttpOnly, and no body has an access token, a temp
//     token or a device token: the calls that make one have answers of their own.
//   - No other host reads or sets them, not even a subdomain: the prefix __Host- makes browsers
//     refuse a cookie with a Domain, another Path, or without Secure (RFC 6265bis, 4.1.3.2). Where a
//     browser does not know the prefix, such a cookie comes as a second one of its name, and two are
//     refused. A visitor without a session could be given that of a stranger there. Names are compared
//     byte by byte: net/http drops a name that is no token of RFC 9110.
//   - No page of another origin causes a change. A request with an unsafe method, and one that asks
//     for another protocol, which a WebSocket begins with, must pass net/http's CrossOriginProtection. It
//     believes Sec-Fetch-Site, which no script can set, and else compares Origin with Host. The scheme of
//     Origin is compared here: whoever is on the way writes pages of http. Where it sees neither header,
//     it lets a request pass, as that of a program. With a cookie of ours it is refused here. A login
//     without a cookie is held to the same: otherwise a page could log its visitor in as somebody else.
//     SameSite=Lax comes on top, and CORS is answered to nobody.
//   - Safe methods change nothing, so a page that causes one gets nothing but an answer that it cannot
//     read. Cross-Origin-Resource-Policy keeps it out of the page's process, also where it is that of a
//     route behind Require: a sibling subdomain sends the cookie with every image and script.
//   - A credential in a header has precedence, even if it is refused. No page of another origin can add
//     that header, and no browser adds it by itself.
//
// Several tabs share the cookies. If they refresh at once, each gets the same successor within
// auth.Config.RefreshGrace. A refused token clears the cookie only if its whole session is over: the
// late answer to an old token must not remove the token that another tab got since.
//
// A login ends the session whose cookie it replaces, of whichever account: nobody holds its token any
// more, and on a shared computer its owner has gone. It passes the check of the origin, so no other page
// can end a session by a login. The new session is made first. Whatever fails then leaves the old one as
// it was. Django's login and Rails' reset_session end it too.
//
// No answer can depend on the cookies that its browser has by then. So the answer to a request of a
// session that has ended, if it comes later than that of a new login, clears the new cookie, and the
// user has to log in once more.

// BrowserConfig is what your program may set about a [Browser].
type BrowserConfig struct {
	// Name is in the names of the cookies: __Host-NAME, __Host-NAME-2fa and __Host-NAME-device. It is 1
	// to 32 letters, digits, '-' and '_'. Services on one host need different names, even if their
	// ports differ. Default "auth".
	Name string

	// URL is the address of the Browser as its pages reach it, such as https://example.com/shop/auth. It
	// is for the OpenAPI document only, as Config.URL is. Default: the path that the document was asked
	// for, which lacks what a proxy in front has removed.
	URL string
}

// A Browser serves the routes of a [Handler] to pages of its own origin, and guards other routes for
// them. The tokens are in cookies that no script can read. A request that changes something is refused
// if a page of another origin may have sent it. Any number of goroutines may call its methods.
type Browser struct{ h *Handler }

// Browser returns a Browser with the Manager and the Config of h. Mount it beside h, such as at
// /auth/, and the pages on the same origin. It must be reached by HTTPS: browsers drop the cookies
// otherwise, and some do so on localhost too. It panics if cfg has a Name or a URL that is none.
//
// These routes differ from those of h. Everything else is the same, and the OpenAPI document of the
// Browser has it all:
//   - login and verify-2fa answer with expires_in and user, or with requires_2fa, and set a cookie
//     instead of access_token, temp_token and device_token. Neither takes a token in its body. The new
//     session takes the place of the one whose cookie came with the call, which ends.
//   - refresh answers with expires_in.
//   - logout and delete-account clear the cookies, as does a request whose session is over. The
//     cookie of a trusted device stays.
//   - A credential in a header has precedence over the cookie. Two cookies of one name are 400.
//   - An unsafe method, and a request with the header Upgrade, is 403 unless net/http's
//     CrossOriginProtection lets it pass, and with a cookie also if it has neither Sec-Fetch-Site nor
//     Origin. So a proxy in front must keep Host, for browsers without Sec-Fetch-Site. For them it should
//     also set X-Forwarded-Proto: over TLS, an Origin of http is 403.
//
// Cookies last until their token is good for nothing: see auth.Config.RefreshAfterExpiry.
func (h *Handler) Browser(cfg BrowserConfig) *Browser {
	names := namesOf(cfg.Name)
	b := &Handler{
		manager: h.manager, idName: h.idName, proxies: h.proxies, log: h.log, proven: h.proven, jwks: h.jwks,
		reached: h.reached, names: names,
	}
	b.mounted.Store(true) // h has warned, or knows better
	routes, err := served(b.table(), h.manager, h.without)
	if err == nil {
		b.url, err = publicURL(cfg.URL)
	}
	for i := range routes {
		routes[i].ownOrigin = routes[i].method != http.MethodGet
	}
	if err == nil {
		b.routes = newRouting(routes)
		b.document, err = openAPI(aboutBrowser(names), routes, h.manager.InputLimits())
	}
	if err != nil { // a URL that is none: of the rest, New has accepted the same
		panic(err)
	}
	return &Browser{b}
}

// ServeHTTP serves the routes as [Handler.ServeHTTP] does.
func (b *Browser) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.h.ServeHTTP(w, r) }

// Check is [Handler.Check] for the cookie or the credential of r. It also refuses, with
// [auth.ErrForbidden], what a page of another origin may have sent. It clears no cookie and sets no
// header: an answer of yours that depends on the identity needs Cache-Control: private, no-cache or
// no-store, and Cross-Origin-Resource-Policy: same-origin. An access token that has expired is [auth.ErrInvalidToken],
// also where the session goes on: refresh it by a call of the page, and do not ask for the password.
func (b *Browser) Check(r *http.Request, rules ...Rule) (auth.Identity, error) {
	return b.h.Check(r, rules...)
}

// Require is [Handler.Require] for the cookie or the credential of a request, as [Browser.Check]
// proves it. So a route of yours may change something only by an unsafe method: GET and HEAD reach it
// from a link of any page. Its answer has Cache-Control: private, no-cache and
// Cross-Origin-Resource-Policy: same-origin unless the route sets others: a shared cache does not know
// that a cookie is a credential.
func (b *Browser) Require(rules ...Rule) func(http.Handler) http.Handler {
	return b.h.Require(rules...)
}

// WriteProblem is [Handler.WriteProblem].
func (b *Browser) WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	b.h.WriteProblem(w, r, err)
}

// cookieNames are the names of the cookies of a Browser.
type cookieNames struct{ session, secondStep, device string }

var cookieName = regexp.MustCompile(`^[0-9A-Za-z_-]{1,32}$`)

func namesOf(name string) *cookieNames {
	if name == "" {
		name = "auth"
	}
	if !cookieName.MatchString(name) {
		panic("httpauth: BrowserConfig.Name: 1 to 32 letters, digits, '-' and '_' are needed")
	}
	name = "__Host-" + name
	return &cookieNames{name, name + "-2fa", name + "-device"}
}

// sent returns the value of a cookie of r, or "".
func (n *cookieNames) sent(r *http.Request, name string) (string, error) {
	switch all := r.CookiesNamed(name); len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0].Value, nil
	}
	return "", &refusal{code: CodeInvalidRequest, detail: "Two cookies have the name " + name + ". Clear the cookies of this site.", cause: ErrManyCredentials}
}

// any reports whether r has a cookie of the Browser.
func (n *cookieNames) any(r *http.Request) bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool {
		return c.Name == n.session || c.Name == n.secondStep || c.Name == n.device
	})
}

// headerCookie is the header of a credential in a cookie.
const headerCookie = "Cookie"

// credential returns the one credential of r.
func (h *Handler) credential(r *http.Request) (credential, error) {
	c, err := parseCredential(r.Header)
	if h.names == nil || !errors.Is(err, ErrNoCredential) {
		return c, err
	}
	token, err := h.names.sent(r, h.names.session)
	switch {
	case err != nil:
		return credential{}, err
	case token == "":
		return credential{}, ErrNoCredential
	case h.manager.IsAPIKey(auth.Secret(token)):
		return credential{}, auth.ErrInvalidToken // keys are for programs
	}
	return credential{headerCookie, token}, nil
}

// refuseOtherOrigins returns why r is refused where cookies are credentials, or nil.
func (h *Handler) refuseOtherOrigins(ctx context.Context, r *http.Request) error {
	checked := r
	switch {
	case h.names == nil:
		return nil
	case slices.ContainsFunc(r.Header["Upgrade"], func(to string) bool { return to != "" }):
		checked = r.WithContext(ctx)
		checked.Method = http.MethodPost // another protocol than HTTP has no safe methods
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodOptions:
		return nil
	}
	unknown := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
	if sameSite.Check(checked) == nil && !fromPlainHTTP(r) && (!unknown || !h.names.any(r)) {
		return nil
	}
	h.manager.ReportDenied(ctx, auth.Identity{}, string(CodeForbidden))
	return &refusal{code: CodeForbidden, detail: "A page of another origin may not send this.", cause: auth.ErrForbidden}
}

// fromPlainHTTP reports whether the page that has sent r came by plain HTTP, and r by TLS. So somebody on
// the way may have written the page, under the same host. A proxy in front says what it was reached by.
// Where the browser sends Sec-Fetch-Site, that has said it already.
func fromPlainHTTP(r *http.Request) bool {
	byTLS := r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
	return byTLS && r.Header.Get("Sec-Fetch-Site") == "" && strings.HasPrefix(r.Header.Get("Origin"), "http:")
}

// keepPrivate sets, for a route that a cookie opens, what its answer has unless the route says otherwise.
// Shared caches keep no answer to an Authorization (RFC 9111, 3.5), and know nothing of a cookie.
func (h *Handler) keepPrivate(head http.Header) {
	if h.names == nil {
		return
	}
	head["Cross-Origin-Resource-Policy"] = sameOrigin
	if head["Cache-Control"] == nil {
		head["Cache-Control"] = ownCache
	}
}

// discard clears the cookie of a request that was refused with err, if its session is over.
func (h *Handler) discard(w http.ResponseWriter, r *http.Request, err error) {
	if h.names == nil || codeOf(err) != CodeInvalidToken {
		return
	}
	token, err := h.names.sent(r, h.names.session)
	if err != nil || token == "" {
		return
	}
	var ended bool
	err = catchPanic(func() (err error) { // of the store: the answer is there already
		ended, err = h.manager.SessionEnded(h.withClient(r), auth.Secret(token))
		return err
	})
	if err == nil && ended {
		clear := cookies{names: h.names}
		clear.remove(h.names.session)
		clear.write(w)
	}
}
