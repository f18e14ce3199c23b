// Package device names the browser and the system of a User-Agent header, or the tool that sent
// it. The name is made of this package's own words, and of no text of the client. It is for
// people who look at a list of their sessions. A client can claim to be any device, so no
// decision may rest on it.
package device

import "strings"

// A sign is a text by which a User-Agent shows what it is.
type sign struct{ text, name string }

// tools are programs without a browser. Their header begins with the sign.
var tools = []sign{
	{"curl/", "curl"},
	{"Wget/", "Wget"},
	{"HTTPie/", "HTTPie"},
	{"PostmanRuntime/", "Postman"},
	{"Go-http-client/", "Go"},
	{"python-requests/", "Python"},
	{"python-httpx/", "Python"},
	{"Python-urllib/", "Python"},
	{"Python/", "Python"}, // aiohttp
	{"okhttp/", "okhttp"},
	{"Java/", "Java"},
	{"Java-http-client/", "Java"},
	{"Apache-HttpClient/", "Java"},
	{"node", "Node.js"}, // fetch, and node-fetch
	{"undici", "Node.js"},
	{"axios/", "Node.js"},
	{"Dart/", "Dart"},
	{"Ruby", "Ruby"},
}

// browsers are in an order in which the first sign found is right: most browsers also have the
// signs of those that come later.
var browsers = []sign{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"Edge/", "Edge"},
	{"OPR/", "Opera"},
	{"OPiOS/", "Opera"},
	{"OPT/", "Opera"}, // on iOS
	{"Opera", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"Firefox/", "Firefox"},
	{"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"Chromium/", "Chrome"},
}

// systems are in such an order too.
var systems = []sign{
	{"Windows", "Windows"},
	{"iPad", "iPadOS"},
	{"iPhone", "iOS"},
	{"iPod", "iOS"},
	{"Macintosh", "macOS"},
	{"Mac OS X", "macOS"},
	{"Android", "Android"},
	{"CrOS ", "ChromeOS"},
	{"Linux", "Linux"},
}

// Of returns such a name: "Firefox on Linux", "Firefox" or "Linux" if nothing else is known, the
// name of a tool, or "". An iPad that asks for pages as a Mac does is one. The time is linear in
// the length of userAgent, whatever it is.
func Of(userAgent string) string {
	for _, s := range tools {
		if strings.HasPrefix(userAgent, s.text) {
			return s.name
		}
	}
	browser, system := first(browsers, userAgent), first(systems, userAgent)
	if browser == "" && isSafari(userAgent, system) {
		browser = "Safari"
	}
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + " on " + system
}

// isSafari reports whether a header without the sign of another browser is that of Safari. Other
// browsers have its signs on other systems, and programs that show pages have the second only.
func isSafari(userAgent, system string) bool {
	switch system {
	case "macOS", "iOS", "iPadOS":
		return strings.Contains(userAgent, "Version/") && strings.Contains(userAgent, "Safari/")
	}
	return false
}

// first returns the name of the first sign that userAgent has, or "".
func first(signs []sign, userAgent string) string {
	for _, s := range signs {
		if strings.Contains(userAgent, s.text) {
			return s.name
		}
	}
	return ""
}
