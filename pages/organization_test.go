package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/pages"
	"github.com/datixlab/auth/store/memstore"
)

// pageOf returns a page of a service with this Config.
func pageOf(t *testing.T, cfg auth.Config, path string) string {
	t.Helper()
	handler, err := httpauth.New(authtest.With(t, memstore.New(), cfg).Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	web, err := pages.New(handler.Browser(httpauth.BrowserConfig{}), pages.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	web.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d", path, w.Code)
	}
	return w.Body.String()
}

func TestThePagesKnowTheRolesOfTheService(t *testing.T) {
	for want, roles := range map[string][]string{`data-roles="member admin"`: nil, `data-roles="guest admin owner"`: {"guest", "admin", "owner"}} {
		if text := pageOf(t, auth.Config{Roles: roles}, "/organization"); !strings.Contains(text, want) {
			t.Errorf("%v: not %s", roles, want)
		}
	}
}

// Where nobody can register, the pages do not offer it, and say what leaving means.
func TestThePagesKnowWhetherAnyoneMayRegister(t *testing.T) {
	for _, closed := range []bool{false, true} {
		cfg := auth.Config{NoRegistration: closed}
		for path, only := range map[string]string{
			"/sign-in": `href="register" hidden`, "/register": "data-closed", "/organization": "it is disabled, and you cannot sign in any more",
		} {
			if got := strings.Contains(pageOf(t, cfg, path), only); got != closed {
				t.Errorf("%s with NoRegistration %v: %q is in it: %v", path, closed, only, got)
			}
		}
	}
}

// The login of a user who accepts may be old, so the page can ask for the password.
func TestThePageOfAnInvitationCanAskForThePassword(t *testing.T) {
	if text := pageOf(t, auth.Config{}, "/invitation"); !strings.Contains(text, `<dialog id="proof"`) || strings.Contains(text, `id="sign-out"`) {
		t.Errorf("no dialog, or the parts of a session: %s", text)
	}
}
