// Package httpauth is the HTTP face of package auth: a handler for the
// authentication routes, and middleware that guards a host's own.
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
//	POST   /register         POST   /refresh             GET    /me
//	POST   /login            POST   /logout              PATCH  /me
//	POST   /verify-2fa       POST   /api-keys            POST   /change-password
//	POST   /enable-2fa       GET    /api-keys            GET    /openapi.json
//	POST   /confirm-2fa      DELETE /api-keys/{key_id}
//	POST   /disable-2fa      GET    /.well-known/jwks.json
//
// The document at /openapi.json describes each with every answer that it can give.
//
// # What holds for all of them
//
//   - A credential comes in the Authorization header (Bearer, an access token or an
//     API key) or in X-API-Key. Query, form and cookies are never looked at, so no
//     page of another origin can make a browser send one along: there is no CSRF to
//     protect against. Two credentials in one request are refused.
//   - A body is one JSON object in UTF-8, at most 64 KiB, sent within 10 seconds as
//     application/json. An object that names a member twice, or one of the known
//     members in another case, is refused; unknown members are ignored.
//   - Where auth.Config.TwoFactorPolicy asks the user for a second factor first, an
//     access token is good for GET /me, enable-2fa, confirm-2fa, refresh and logout;
//     all else, and every call with an API key, is 403 two_factor_setup_required.
//   - A path is matched as it is written. Another method is 405 with Allow, also
//     HEAD and OPTIONS: there is no CORS here. A host that wants it answers the
//     preflight in front of the Handler, for origins that it names.
//   - Whatever is refused is answered with a problem of RFC 9457 whose code, a
//     [Code], is stable. The texts of errors stay inside.
//   - Every answer forbids caching, sniffing, framing and referrers, but the set of
//     public keys, which may be cached for 5 minutes. None has anything in it that the
//     request said, such as its Host.
//   - A panic is a 500, logged with its stack; the process goes on.
//
// # The host's duty
//
// Serve over TLS. Set the timeouts of [http.Server] (ReadHeaderTimeout above all).
// Behind a reverse proxy, name it in Config.TrustedProxies: throttles count by
// client address, and without it all the world shares the proxy's budget. The proxy
// must append to X-Forwarded-For, which is what proxies do; Forwarded and X-Real-IP
// are not read. A proxy on a Unix socket has no address to be named by: let it
// connect over the loopback.
package httpauth
