package httpauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A response is the answer to a request that is not refused.
type response struct {
	status       int
	contentType  []string // nil: no body
	cacheControl []string
	body         []byte
	allow, etag  string // headers, unless ""
	public       bool   // pages of any origin may read it
	stream       stream // what writes the body, or nil
}

// The values of headers that many answers have. All answers share them, so that none needs
// memory of its own. They have no spare capacity: a program that adds a value gets a copy.
var (
	contentJSON    = []string{jsonMedia + "; charset=utf-8"}
	contentProblem = []string{"application/problem+json; charset=utf-8"}
	notStored      = []string{noStore}
	ownCache       = []string{"private, no-cache"}
	publiclyCached = []string{"public, max-age=300"}
	noContents     = []string{"default-src 'none'; frame-ancestors 'none'"}
	noReferrer     = []string{"no-referrer"}
	noSniff        = []string{"nosniff"}
	sameOrigin     = []string{"same-origin"}
)

// longBody is the longest body, in bytes, for which net/http sets Content-Length by itself.
const longBody = 2048

// write sends an answer with the headers that every answer has. None of them
// comes from the request. Without a contentType there is no body. HEAD has the headers of
// GET.
func write(w http.ResponseWriter, r *http.Request, status int, contentType, cacheControl []string, body []byte) {
	head := w.Header()
	head["Cache-Control"] = cacheControl // the names are in their canonical form
	head["Content-Security-Policy"] = noContents
	head["Referrer-Policy"] = noReferrer
	head["X-Content-Type-Options"] = noSniff
	isHead := r.Method == http.MethodHead
	if contentType != nil {
		head["Content-Type"] = contentType
		if head.Get("Content-Encoding") == "" && (isHead || len(body) > longBody) {
			head.Set("Content-Length", strconv.Itoa(len(body)))
		}
	}
	w.WriteHeader(status)
	if !isHead {
		_, _ = w.Write(body) // an error means that the client has gone
	}
}

// streamTime is how long a client may take for a piece of a stream.
const streamTime = 30 * time.Second

// A patient writer gives the client time for each piece, and not for the whole. So a long answer is
// not cut off, and one that is not read ends.
type patient struct{ w http.ResponseWriter }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	_ = http.NewResponseController(p.w).SetWriteDeadline(time.Now().Add(streamTime))
	return p.w.Write(b)
}

// An appender is an answer that writes its own JSON: what encoding/json writes, without its
// reflection. It is for the routes that are called most.
type appender interface{ appendJSON() []byte }

// appendText appends a JSON string, as encoding/json writes it.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			text, _ := json.Marshal(s) // a string: it never fails
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// A published is the answer of a public route. It is made once and sent many times.
type published struct {
	body []byte // JSON
	etag string // a strong validator of body (RFC 9110 section 8.8.3)
}

// publish returns body as the answer of a public route.
func publish(body []byte) *published {
	sum := sha256.Sum256(body)
	return &published{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`}
}

// matchesETag reports whether one of the lines of If-None-Match has tag, which has no
// comma in it (RFC 9110 section 13.1.2).
func matchesETag(lines []string, tag string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.Trim(one, " \t")
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
