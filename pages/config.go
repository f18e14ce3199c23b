package pages

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Config is what your program may set about the pages. The zero value of every field is its default.
type Config struct {
	// Title is the name of the service, in the title of every page and beside the logo. Default "Account".
	Title string
	// Logo is an SVG image, shown beside the title and as the icon of the pages. It is served as an
	// image, so that no script in it runs. Nil: none.
	Logo []byte
	// Accent is the colour of buttons and links, as "#rrggbb". Text on it is black or white, whichever is
	// easier to read. Default "#1a5fb4".
	Accent string
	// AccentDark is Accent where the user has chosen a dark display. Default "#99c1f1".
	AccentDark string
	// Links are at the foot of every page, such as to terms of use. Default: none.
	Links []Link
	// Home is where a user goes after signing in. It is a path of the same origin, such as "/app", as a
	// browser sees it. Default: the
	// page of the account.
	Home string
	// API is the path of the [httpauth.Browser], as a browser sees it: with the prefix that a proxy in front
	// adds. Default "/auth".
	API string
	// Languages are other words for the texts of a language, or the texts of more languages. A page is in
	// the language that the browser asks for first of those that there are. Default: English and German.
	Languages []Language
}

// A Link is one at the foot of every page.
type Link struct {
	Text string
	URL  string // https, or a path of the same origin
}

// A Language has texts of the pages in one language.
type Language struct {
	Tag   string            // BCP 47, such as "fr", "pt-BR" or "ar", whose pages run from right to left
	Texts map[string]string // by the keys of text/en.json; a text that is missing is the built-in one of the language, or else the English one
}

var (
	colour   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	path     = regexp.MustCompile(`^(/[0-9A-Za-z._~-]+)+/?$`)
	language = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[0-9A-Za-z]{2,8})*$`)
)

// withDefaults returns c with its defaults, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Links, c.Languages = slices.Clone(c.Links), slices.Clone(c.Languages)
	for _, field := range []struct {
		value *string
		def   string
	}{{&c.Title, "Account"}, {&c.Accent, "#1a5fb4"}, {&c.AccentDark, "#99c1f1"}, {&c.Home, "account"}, {&c.API, "/auth"}} {
		if *field.value == "" {
			*field.value = field.def
		}
	}
	switch {
	case !colour.MatchString(c.Accent) || !colour.MatchString(c.AccentDark):
		return c, fmt.Errorf("pages: Accent and AccentDark: a colour as #rrggbb is needed")
	case !path.MatchString(c.API) || strings.HasSuffix(c.API, "/"):
		return c, fmt.Errorf("pages: API: a path such as /auth is needed")
	case c.Home != "account" && c.Home != "/" && !path.MatchString(c.Home):
		return c, fmt.Errorf("pages: Home: a path such as /app is needed")
	}
	for _, l := range c.Links {
		u, err := url.Parse(l.URL)
		if err != nil || l.Text == "" || u.Scheme != "https" && (u.Scheme != "" || u.Host != "" || !strings.HasPrefix(l.URL, "/") || strings.HasPrefix(l.URL, "//")) {
			return c, fmt.Errorf("pages: Links: %q needs a text, and an https URL or a path", l.URL)
		}
	}
	return c, nil
}

// textOn returns the colour of text on a background: black or white, whichever has the higher contrast
// (WCAG 2.2, relative luminance).
func textOn(background string) string {
	channel := func(from int) float64 {
		n, _ := strconv.ParseUint(background[from:from+2], 16, 8) // colour has matched
		v := float64(n) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	luminance := 0.2126*channel(1) + 0.7152*channel(3) + 0.0722*channel(5)
	if (luminance+0.05)/0.05 > 1.05/(luminance+0.05) {
		return "#000000"
	}
	return "#ffffff"
}
