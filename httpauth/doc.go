// Package httpauth is the HTTP face of package auth: a handler for the
// authentication routes, and middleware that guards your program's own.
//
//	h, err := httpauth.New(manager, httpauth.Config{})
//	if err != nil { … }
//	mux := http.NewServeMux()
//	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", h))
//	mux.Handle("GET /v1/agents", h.Require()(agents))
//	mux.Handle("DELETE /v1/agents/{id}", h.Require(httpauth.SessionOnly, httpauth.Role("admin"))(remove))
//
// # Routes
//
// Relative to where the [Handler] is mounted:
//
//	POST   /register         GET    /sessions                  GET    /me
//	POST   /login            DELETE /sessions/{session_id}     PATCH  /me
//	POST   /verify-2fa       POST   /logout-others             POST   /change-password
//	POST   /refresh          GET    /two-factor                POST   /me/export
//	POST   /logout           POST   /backup-codes              POST   /delete-account
//	POST   /enable-2fa       GET    /.well-known/jwks.json     POST   /api-keys
//	POST   /confirm-2fa      GET    /openapi.json              GET    /api-keys
//	POST   /disable-2fa                                        PATCH  /api-keys/{key_id}
//	                                                           DELETE /api-keys/{key_id}
//	                                                           POST   /api-keys/{key_id}/rotate
//	                                                           GET    /api-keys/{key_id}/usage
//
//	GET    /organization     GET    /organization/members
//	PATCH  /organization     PATCH  /organization/members/{user_id}
//	POST   /organization/leave       GET  /organization/invitations  POST  /accept-invitation
//	POST   /organization/invitations
//	DELETE /organization/invitations/{invitation_id}
//	POST   /organization/members/{user_id}/remove
//
// With auth.Config.Mailer:
//
//	POST   /forgot-password  POST   /verify-email              POST   /confirm-email
//	POST   /reset-password   POST   /resend-verification       DELETE /me/pending-email
//
// With auth.Config.TrustedDevices:
//
//	GET    /trusted-devices
//	DELETE /trusted-devices/{device_id}
//
// The document at /openapi.json describes each route and all its answers. Each route belongs
// to a group, its [Tag]. Config.Without leaves groups out.
//
// # What holds for all routes
//
//   - A credential comes in the Authorization header (Bearer, an access token or an
//     API key) or in X-API-Key. Query, form and cookies are never read. So no page of
//     another origin can make a browser send a credential, and there is no CSRF to
//     protect against. Two credentials in one request are refused. An Authorization of
//     another scheme, for a proxy in front, is none. For pages of the same origin
//     [Handler.Browser] has the credential in a cookie, and refuses other pages.
//   - A body is one JSON object in UTF-8, at most 64 KiB, sent within 10 seconds as
//     application/json. An object that names a member twice, or one of the known
//     members in another case, is refused; unknown members are ignored. Null
//     in an optional member is the member left out, and 30.0 is the integer 30.
//   - The list of members reads its parameters from the query. Elsewhere a query is ignored.
//   - If auth.Config.TwoFactorPolicy requires a second factor of the user first, an access
//     token is accepted by GET /me, GET /two-factor, enable-2fa, confirm-2fa, refresh and
//     logout only. All other calls, and every call with an API key, are 403
//     two_factor_setup_required.
//   - A path is matched as it is written. HEAD is answered as GET is, without a body.
//     OPTIONS is answered with 204 and Allow, to everybody. Another method is 405 with
//     Allow. The Handler has no CORS but for the two public answers, which pages of any
//     origin may read. A program that needs more answers the preflight in front of the
//     Handler, for the origins that it chooses.
//   - Every refusal is a problem of RFC 9457 whose code, a [Code], is stable. The texts of
//     errors are not sent.
//   - Every answer forbids caching, sniffing, framing and referrers. Two answers are the
//     same for all clients: the set of public keys and the document. These may be cached
//     for 5 minutes and have an ETag. No answer contains text of the request's headers,
//     such as its Host. The document names the path under which it was requested. The
//     list of sessions has the User-Agent of each login.
//   - What is answered to an API key that was replaced has the headers Deprecation and
//     Sunset: see [TellReplaced].
//   - A panic is a 500, logged with its stack; the process goes on.
//
// # Administration
//
// [NewAdmin] is another handler, for the people who run the service and on a listener of its own.
// None of its routes is among those of a [Handler].
//
// # Other routers
//
// Routers that register an http.Handler take the [Handler] and [Handler.Require] as they
// are. One with contexts of its own calls [Handler.Check] in a middleware of its own:
//
//	for name, value := range params { // of the router, for rules that call PathValue
//		r.SetPathValue(name, value)
//	}
//	id, err := h.Check(r, rules...)
//	if err != nil {
//		h.WriteProblem(w, r, err)
//		return // and call nothing behind this
//	}
//	httpauth.TellReplaced(w.Header(), id)
//	r = r.WithContext(auth.WithIdentity(auth.WithClient(r.Context(), h.Client(r)), id))
//
// # What your program must do
//
// Serve over TLS. Set the timeouts of [http.Server] (ReadHeaderTimeout above all).
// Behind a reverse proxy, name it in Config.TrustedProxies. Throttles count by client
// address, and without it all clients share the proxy's budget. The proxy must append
// to X-Forwarded-For, as proxies usually do. Forwarded and X-Real-IP are not read. A proxy on
// a Unix socket has no address that could be named: let it connect over the loopback.
package httpauth
