package httpauth

import (
	"net/http"
	"net/netip"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/strictjson"
)

// What the tests of package httpauth_test reach inside for.

var StrictJSON = strictJSON

const (
	MaxBody  = maxBody
	MaxDepth = strictjson.MaxDepth
	BodyTime = bodyTime
)

func ParseCredential(head http.Header) (text string, err error) {
	c, err := parseCredential(head)
	return c.text, err
}

func ClientOf(r *http.Request, proxies ...netip.Prefix) auth.Client {
	return (&Handler{proxies: proxies}).client(r)
}

// Routes returns "METHOD /path" of every mounted route.
func (h *Handler) Routes() (all []string) {
	for _, where := range []map[string]methods{h.routes.fixed, h.routes.under} {
		for _, of := range where {
			for _, rt := range of {
				all = append(all, rt.method+" "+rt.path)
			}
		}
	}
	return all
}

// Codes returns every code with the name of its constant and its status.
func Codes() (names map[Code]string, status map[Code]int) {
	names, status = map[Code]string{}, map[Code]int{}
	for code, k := range problemTypes {
		names[code], status[code] = k.name, k.status
	}
	return names, status
}
