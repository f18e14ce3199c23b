package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/printable"
)

// callTime is how long a call may take that reads or changes one thing.
const callTime = time.Minute

// maxAnswer is how many bytes an answer may have that is kept in memory.
const maxAnswer = 16 << 20

// A client speaks to an administration, of a running service or of this process.
type client struct {
	http       *http.Client
	base       string // of the URLs
	where      string // for people
	socket     string // the path of the Unix socket, or ""
	token      auth.Secret
	closeStore func() error
}

func (c *client) close() error {
	c.http.CloseIdleConnections()
	if c.closeStore != nil {
		return c.closeStore()
	}
	return nil
}

// A refusal is an answer that is no success (RFC 9457).
type refusal struct {
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	RetryAfter int    `json:"retry_after"`
	Errors     []struct {
		Field, Code, Detail string
	} `json:"errors"`
}

// next says what an operator can do about a refusal.
var next = map[string]string{
	"authentication_required": "set AUTH_ADMIN_TOKEN to the token of the service",
	"invalid_token":           "AUTH_ADMIN_TOKEN is not the token of the service",
	"cursor_gone":             "the service was started again meanwhile; list from the beginning",
	"unsupported":             "the store of this service cannot do it",
	"last_admin":              "make another member an admin first, or add -force",
	"unavailable":             "look with authctl users show whether it was done, or do it again",
	"not_found":               "there is no such account, key or organization; or -admin leads to something else than an administration",
}

// Error implements error. What a service says may be of strangers, so it is escaped.
func (r *refusal) Error() string {
	text := fmt.Sprintf("refused (%d %s): %s", r.Status, printable.Escape(r.Code), printable.Escape(r.Detail))
	for _, e := range r.Errors {
		text += fmt.Sprintf("\n  %s: %s", printable.Escape(e.Field), printable.Escape(e.Detail))
	}
	if r.RetryAfter > 0 {
		text += fmt.Sprintf("\n  try again in %d seconds", r.RetryAfter)
	}
	if hint := next[r.Code]; hint != "" {
		text += "\n  " + hint
	}
	return text
}

// isCode reports whether err is a refusal with that code.
func isCode(err error, code string) bool {
	var r *refusal
	return errors.As(err, &r) && r.Code == code
}

// call makes one call and returns the document that is the answer. Body is nil for none.
func (c *client) call(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.longCall(ctx, method, path, body)
}

// longCall is call for what takes as long as it takes.
func (c *client) longCall(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	encoded, raw := body.(json.RawMessage) // as it is: only the service says whether it is JSON
	if body != nil && !raw {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	answer, err := c.send(ctx, method, path, encoded)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	doc, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer of %s broke off, so whether it was done is not known: %w", c.where, err)
	case len(doc) > maxAnswer || !json.Valid(doc):
		return nil, fmt.Errorf("%s does not answer as an administration does; is -admin right?", c.where)
	}
	return json.RawMessage(bytes.TrimSpace(doc)), nil
}

// send sends a request and returns the answer, if it is a success. The caller closes its body.
func (c *client) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err)
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	doc, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	refused := &refusal{}
	if kind != "application/problem+json" || json.Unmarshal(doc, refused) != nil || refused.Code == "" {
		return nil, fmt.Errorf("%s answers %d, and not as an administration does; is -admin right?", c.where, answer.StatusCode)
	}
	return nil, refused
}

// explain says what to do about a service that cannot be reached.
func (c *client) explain(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL, which has addresses of users
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case c.socket == "" && errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%s does not answer: %w\n  if the authority is your own, name its PEM file in SSL_CERT_FILE", c.where, err)
	case c.socket == "" && strings.Contains(err.Error(), "tls: certificate required"): // its type is not exported
		return fmt.Errorf("%s does not answer: %w\n  give a certificate that it accepts with -cert", c.where, err)
	case c.socket == "":
		return fmt.Errorf("%s does not answer: %w", c.where, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no socket %s: start the service with -admin unix:%[1]s, or open the store of a stopped one with -store", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the socket %s is %s: run authctl as that user, such as with sudo -u", c.socket, ownerOf(c.socket))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at the socket %s, which a stopped service has left: start it, or open its store with -store", c.socket)
	}
	return fmt.Errorf("the service at %s does not answer: %w", c.socket, err)
}

func ownerOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "another user's"
	}
	return ownerName(info)
}

// pathOf joins parts of a path, each of which may have any character.
func pathOf(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// decode reads a document into a T.
func decode[T any](doc json.RawMessage) (v T, err error) {
	if err := json.Unmarshal(doc, &v); err != nil {
		return v, fmt.Errorf("the answer has another form than this version knows: %w", err)
	}
	return v, nil
}
