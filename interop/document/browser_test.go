package document

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// fromPage makes r what a page of the same origin sends: the tokens are in cookies.
func (s *service) fromPage(r *exchange) {
	r.head.Set("Origin", s.url)
	r.head.Set("Sec-Fetch-Site", "same-origin")
	if token, ok := strings.CutPrefix(r.head.Get("Authorization"), "Bearer "); ok {
		r.head.Del("Authorization")
		r.head.Set("Cookie", "__Host-auth="+token)
	}
	body := members{}
	if r.body == nil || json.Unmarshal(r.body, &body) != nil {
		return
	}
	if temp, ok := body["temp_token"].(string); ok {
		r.head.Set("Cookie", "__Host-auth-2fa="+temp)
	}
	delete(body, "temp_token")
	delete(body, "device_token")
	r.set(body)
}

// The document of a Browser holds for pages: what is granted and what is refused is as it says, both
// validators agree, and a cookie is set where it says so and nowhere else.
func TestEveryAnswerToAPageIsAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	s := newServiceOf(t, true)
	if err := s.document.spec.Validate(t.Context(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("kin-openapi: %v", err)
	}
	for _, id := range s.document.operations() {
		r := s.prepare(id)
		s.fromPage(r)
		if err := s.document.requestFault(r); err != nil {
			t.Errorf("%s: what a page sends is not as the document says: %v", id, err)
		}
		page := r.head.Clone()
		r.head.Set("Sec-Fetch-Site", "cross-site")
		if s.send(s.url, r); r.method != http.MethodGet && r.code() != "forbidden" {
			t.Errorf("%s: a page of another site is not refused: %v", id, r)
		}
		if cookie := page.Get("Cookie"); cookie != "" {
			r.head.Set("Sec-Fetch-Site", "same-origin")
			r.head.Set("Cookie", cookie+"; "+cookie)
			if s.send(s.url, r); r.code() != "invalid_request" {
				t.Errorf("%s: two cookies are not refused: %v", id, r)
			}
			name, _, _ := strings.Cut(cookie, "=")
			if !s.document.names(id, name) {
				t.Errorf("%s: the document does not say that %s proves who calls", id, name)
			}
			r.head.Set("Cookie", name+"=nonsense")
			if s.send(s.url, r); r.code() != "invalid_token" {
				t.Errorf("%s: a wrong cookie is not refused: %v", id, r)
			}
			r.head.Del("Cookie")
			if s.send(s.url, r); r.status != http.StatusUnauthorized {
				t.Errorf("%s: no cookie is not refused: %v", id, r)
			}
		}
		r.head = page
		if s.send(s.url, r); r.status >= 300 {
			t.Errorf("%s: what granted has is refused: %v", id, r)
		}
		documented := s.document.calls[id].Operation.Responses.Status(r.status).Value.Headers["Set-Cookie"] != nil
		if set := len(r.header["Set-Cookie"]) > 0; set != documented {
			t.Errorf("%s: a cookie is set: %v; documented: %v", id, set, documented)
		}
	}
}

// names reports whether a scheme of an operation is the cookie with this name.
func (d *description) names(id, cookie string) bool {
	for _, requirement := range *d.calls[id].Operation.Security {
		for name := range requirement {
			if scheme := d.spec.Components.SecuritySchemes[name].Value; scheme.In == "cookie" && scheme.Name == cookie {
				return true
			}
		}
	}
	return false
}
