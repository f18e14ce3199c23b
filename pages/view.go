package pages

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

// A view is what a template of a page is made with.
type view struct {
	Config
	Name   string // of the page
	Lang   string
	Logo   string // URL, or ""
	Icon   string
	Script string
	Style  string
	Texts  template.HTML // what spokenTexts gives
	*api
	words map[string]string
}

// T returns a text.
func (v *view) T(key string) (string, error) {
	if t, ok := v.words[key]; ok {
		return t, nil
	}
	return "", fmt.Errorf("pages: no text %q", key)
}

// A field is an input with its label. The text is that of "field.NAME".
type field struct {
	View           *view
	ID, Name, Type string
	Auto           string // autocomplete
	Label, Hint    string
	Required       bool
	Optional       bool // a password that may be left empty
}

// Field returns the input NAME of "FORM/NAME". Flags are "required", "optional" for a password, and
// "hint", which means that it has the text "field.NAME.hint".
func (v *view) Field(id, kind, autocomplete string, flags ...string) (f field, err error) {
	_, name, _ := strings.Cut(id, "/")
	f = field{View: v, ID: strings.ReplaceAll(id, "/", "-"), Name: name, Type: kind, Auto: autocomplete, Required: slices.Contains(flags, "required"), Optional: slices.Contains(flags, "optional")}
	if f.Label, err = v.T("field." + name); err == nil && slices.Contains(flags, "hint") {
		f.Hint, err = v.T("field." + name + ".hint")
	}
	f.Hint = strings.ReplaceAll(f.Hint, "{min}", strconv.Itoa(v.MinPassword))
	return f, err
}

// rightToLeft are the languages that are written from right to left, unless the tag names another script.
var rightToLeft = []string{"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"}

// Dir returns the direction of the language's script.
func (v *view) Dir() string {
	primary, rest, _ := strings.Cut(strings.ToLower(v.Lang), "-")
	if slices.Contains(rightToLeft, primary) && !strings.HasPrefix(rest, "latn") {
		return "rtl"
	}
	return "ltr"
}

// Has reports whether the Browser serves a route.
func (v *view) Has(route string) bool { return v.routes[route] }

// SignedIn reports whether the page is for users who are signed in.
func (v *view) SignedIn() bool { return slices.Contains(inside, v.Name) }

// Asks reports whether the page may ask for the password again.
func (v *view) Asks() bool { return v.SignedIn() || v.Name == "invitation" }

// RoleList returns the roles, which have no space in them.
func (v *view) RoleList() string { return strings.Join(v.Roles, " ") }

// The names of the pages, which are their paths. Those inside need a session.
var (
	outside = []string{"sign-in", "register", "forgot-password", "reset-password", "verify-email", "invitation"}
	inside  = []string{"account", "confirm-email", "security", "api-keys", "organization"}
	needs   = map[string]string{ // a route without which a page is left out
		"register": "POST /register", "forgot-password": "POST /forgot-password", "reset-password": "POST /reset-password", "verify-email": "POST /verify-email",
		"invitation": "POST /accept-invitation", "confirm-email": "POST /confirm-email", "api-keys": "GET /api-keys", "organization": "GET /organization",
	}
)
