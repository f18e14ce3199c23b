package httpauth

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/datixlab/auth"
)

// Examine adds handlers to what GET /doctor looks at: whether their clients come through a proxy that
// [Config].TrustedProxies does not name, and whether they use TLS. Both are judged by the requests that
// were served so far. Call it before the Admin serves.
func (a *Admin) Examine(handlers ...*Handler) { a.h.examined = append(a.h.examined, handlers...) }

type diagnosis struct {
	Checks []diagnosed `json:"checks"`
}

type diagnosed struct {
	Name   string `json:"name" example:"clock" doc:"A stable word."`
	Status string `json:"status" example:"ok" doc:"ok, warn or fail."`
	Detail string `json:"detail" example:"The clock of the store differs by 2ms." doc:"For people."`
}

func (h *Handler) adminDoctor(c *call) (any, error) {
	checks, err := c.manager.Doctor(c)
	if err != nil {
		return nil, err
	}
	d := diagnosis{Checks: []diagnosed{}}
	checks = append(checks, c.connection)
	for _, public := range h.examined {
		checks = append(checks, public.checkProxies(), public.checkTLS())
	}
	for _, check := range checks {
		d.Checks = append(d.Checks, diagnosed{check.Name, string(check.Status), check.Detail})
	}
	return d, nil
}

// connectionOf says how a request has reached the administration.
func connectionOf(r *http.Request) auth.Check {
	const name = "connection"
	client, _ := (&Handler{}).clientAddr(r)
	switch {
	case onUnixSocket(r):
		return auth.Check{Name: name, Status: auth.CheckOK, Detail: "The administration is reached by a Unix socket."}
	case r.TLS != nil:
		return auth.Check{Name: name, Status: auth.CheckOK, Detail: "The administration is reached by TLS."}
	case client.IsLoopback() && forwarded(r.Header):
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			return auth.Check{Name: name, Status: auth.CheckOK, Detail: "The administration is reached by TLS, through a proxy on this machine."}
		}
		return auth.Check{Name: name, Status: auth.CheckWarn, Detail: "The administration is reached through a proxy on this machine, which does not say that it has TLS: without it, whoever is on the way reads and changes it."}
	case client.IsLoopback():
		return auth.Check{Name: name, Status: auth.CheckOK, Detail: "The administration is reached from this machine, without TLS."}
	}
	return auth.Check{Name: name, Status: auth.CheckWarn, Detail: "The administration is reached without TLS: whoever is on the way reads and changes it."}
}

// checkProxies says whether the addresses of clients are known.
func (h *Handler) checkProxies() auth.Check {
	c := auth.Check{Name: "proxies", Status: auth.CheckOK, Detail: "No proxy is named, and no request came through one."}
	var named []string
	for _, p := range h.proxies {
		named = append(named, p.String())
		if p.Bits() == 0 {
			c.Status, c.Detail = auth.CheckFail, p.String()+" is trusted, so every client can choose its address and has no limit of attempts."
			return c
		}
	}
	if named != nil {
		c.Detail = "Trusted: " + strings.Join(named, ", ") + ". No request came through another."
	}
	if proxy := h.reached.unnamed.Load(); proxy != nil {
		c.Status = auth.CheckWarn
		c.Detail = fmt.Sprintf("A request came through the proxy %s, which TrustedProxies does not name: all its clients share the limits of one.", *proxy)
	}
	return c
}

// checkTLS says whether somebody on the way can read passwords and tokens.
func (h *Handler) checkTLS() auth.Check {
	c := auth.Check{Name: "tls", Status: auth.CheckOK, Detail: "No request came from the internet without TLS."}
	u, _ := url.Parse(h.url) // by New
	switch {
	case h.reached.plain.Load():
		c.Status = auth.CheckWarn
		c.Detail = "A request came from the internet without TLS. If nothing in front of the service has TLS, whoever is on the way reads passwords and tokens."
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		c.Status, c.Detail = auth.CheckFail, "The URL begins with http: whoever is on the way reads passwords and tokens."
	}
	return c
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
