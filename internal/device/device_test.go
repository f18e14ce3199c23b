package device_test

import (
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/device"
	"github.com/datixlab/auth/internal/fuzztest"
)

const webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "

// known are headers as browsers and programs send them.
var known = map[string]string{
	"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                                 "Firefox on Linux",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                       "Firefox on Windows",
	"Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0":                                                                                   "Firefox on Android",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15":              "Firefox on iOS",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/126.0.0.0 Safari/537.36":                                                                 "Chrome on Windows",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + webkit + "Chrome/126.0.0.0 Safari/537.36":                                                           "Chrome on macOS",
	"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " + webkit + "Chrome/126.0.0.0 Safari/537.36":                                                                  "Chrome on ChromeOS",
	"Mozilla/5.0 (Linux; Android 10; K) " + webkit + "Chrome/126.0.0.0 Mobile Safari/537.36":                                                                 "Chrome on Android",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1":         "Chrome on iOS",
	"Mozilla/5.0 (X11; Linux x86_64) " + webkit + "HeadlessChrome/126.0.0.0 Safari/537.36":                                                                   "Chrome on Linux",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0":                                                   "Edge on Windows",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763":                                               "Edge on Windows",
	"Mozilla/5.0 (Linux; Android 10; HD1913) " + webkit + "Chrome/126.0.6478.61 Mobile Safari/537.36 EdgA/125.0.2535.85":                                     "Edge on Android",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/125.0 Mobile/15E148 Safari/605.1": "Edge on iOS",
	"Mozilla/5.0 (X11; Linux x86_64) " + webkit + "Chrome/126.0.0.0 Safari/537.36 OPR/111.0.0.0":                                                             "Opera on Linux",
	"Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18":                                                                                       "Opera on Windows",
	"Mozilla/5.0 (Linux; Android 14; SM-S901B) " + webkit + "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36":                                      "Samsung Internet on Android",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15":                                   "Safari on macOS",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1":                "Safari on iOS",
	"Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1":                         "Safari on iPadOS",

	// A program that shows pages, and a browser that is not in the list.
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148":           "iOS",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15 Epiphany/605.1.15": "Linux",
	"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)":                                                        "Windows",
	"Mozilla/5.0 (Unknown; rv:1.0) Gecko/20100101 Firefox/128.0":                                                              "Firefox",
	"curl/8.5.0":                   "curl",
	"Wget/1.21.4":                  "Wget",
	"HTTPie/3.2.2":                 "HTTPie",
	"PostmanRuntime/7.39.0":        "Postman",
	"Go-http-client/2.0":           "Go",
	"python-requests/2.32.3":       "Python",
	"Python-urllib/3.12":           "Python",
	"Python/3.12 aiohttp/3.9.5":    "Python",
	"python-httpx/0.27.0":          "Python",
	"okhttp/4.12.0":                "okhttp",
	"Java/17.0.2":                  "Java",
	"Java-http-client/21.0.3":      "Java",
	"Apache-HttpClient/5.3 (Java)": "Java",
	"node":                         "Node.js",
	"node-fetch/1.0":               "Node.js",
	"undici":                       "Node.js",
	"axios/1.7.2":                  "Node.js",
	"Dart/3.4 (dart:io)":           "Dart",
	"Ruby":                         "Ruby",

	"":                            "",
	"-":                           "",
	"Mozilla/5.0":                 "",
	"not curl/8.5.0":              "",
	"firefox/128.0 on linux":      "", // no browser writes it so
	"Version/17.4 Safari/605.1":   "",
	"<script>alert(1)</script>":   "",
	"\x00\xff\u202eFirefox 128":   "",
	"Mozilla/5.0 (PlayStation 5)": "",
}

func TestADeviceIsNamedAsPeopleKnowIt(t *testing.T) {
	for header, want := range known {
		if got := device.Of(header); got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}

// words are all that a name may be made of.
var words = strings.Fields(`Edge Opera Samsung Internet Firefox Chrome Safari on Windows macOS iOS iPadOS Android ChromeOS Linux
	curl Wget HTTPie Postman Go Python okhttp Java Node.js Dart Ruby`)

func onlyWords(name string) bool {
	for _, word := range words {
		name = strings.ReplaceAll(" "+name+" ", " "+word+" ", " ")
		name = strings.TrimSpace(name)
	}
	return name == ""
}

func TestALongHeaderIsNamedToo(t *testing.T) {
	for _, part := range []string{"Edg", "Safar", "Version/ ", "(", "\xff", "Firefo Chrom Windo "} {
		long := strings.Repeat(part, 1<<20/len(part))
		if got := device.Of(long + "Firefox/1 Linux"); got != "Firefox on Linux" {
			t.Errorf("%q…: %q", part, got)
		}
		if got := device.Of(long); got != "" {
			t.Errorf("%q…: %q", part, got)
		}
	}
}

func FuzzOf(f *testing.F) {
	saw := fuzztest.BothWays(f)
	for header := range known {
		f.Add(header)
	}
	fuzztest.Fuzz(f, func(t *testing.T, header string) {
		name := device.Of(header)
		if !onlyWords(name) || len(name) > 40 || strings.TrimSpace(name) != name {
			t.Errorf("%q is called %q", header, name)
		}
		saw(name != "")
	})
}
