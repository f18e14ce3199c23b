package httpauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	maxBody  = 64 << 10 // bytes
	bodyTime = 10 * time.Second
)

// boundBodyTime gives the client bodyTime to send the body. That holds even if no handler reads
// the body, since the server reads what is left. For a ResponseWriter that does not support it
// (of a test, of a wrapper) only the timeouts of the server hold.
func boundBodyTime(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
}

// readBody returns the body of r. Its media type must be JSON and its length at most maxBody.
// With optional, readBody returns nil for a request without a body, whatever its headers.
func readBody(w http.ResponseWriter, r *http.Request, optional bool) ([]byte, error) {
	if optional && r.ContentLength == 0 {
		return nil, nil
	}
	mediaErr := checkMediaType(r.Header)
	if mediaErr != nil && !optional {
		return nil, mediaErr
	}
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // or the server would read the rest to keep the connection
		return nil, &refusal{code: CodeBodyTooLarge}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
	case errors.As(err, &tooLarge):
		return nil, &refusal{code: CodeBodyTooLarge}
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, &refusal{code: CodeRequestTimeout}
	default:
		return nil, &refusal{code: CodeInvalidRequest, detail: "The body ended early or is not framed as its headers say."}
	}
	// A deadline that passes while the call is working would count as the client
	// going away, and cancel the call.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if optional && len(data) == 0 {
		return nil, nil
	}
	return data, mediaErr
}

// checkMediaType refuses every media type that a page of another origin can send without a CORS
// preflight, such as that of a form (RFC 9110 section 15.5.16).
func checkMediaType(head http.Header) error {
	refused := &refusal{code: CodeUnsupportedMediaType}
	for _, coding := range head["Content-Encoding"] {
		if !strings.EqualFold(coding, "identity") {
			return refused
		}
	}
	if len(head["Content-Type"]) != 1 {
		return refused
	}
	media, params, err := mime.ParseMediaType(head["Content-Type"][0])
	if err != nil || media != "application/json" {
		return refused
	}
	// Other parameters have no meaning (RFC 8259 section 11), so none is at fault.
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return refused
	}
	return nil
}
