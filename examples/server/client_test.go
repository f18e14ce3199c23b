package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// object is a JSON object.
type object map[string]any

// text returns a member that is a string, or "".
func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// A client calls a server as any program would.
type client struct {
	base string // "http://127.0.0.1:1234"
	http *http.Client
}

// send makes one call. A credential goes into the Authorization header; without a
// body none is sent.
func (c client) send(method, path, credential string, body object) (status int, answer object, err error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, c.base+path, content)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, nil, fmt.Errorf("%s %s: %d with a body that is not a JSON object: %w", method, path, resp.StatusCode, err)
	}
	return resp.StatusCode, answer, nil
}

// must is send for a test that cannot go on without this status.
func (c client) must(t *testing.T, want int, method, path, credential string, body object) object {
	t.Helper()
	status, answer, err := c.send(method, path, credential, body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("%s %s: status %d %v, want %d", method, path, status, answer["code"], want)
	}
	return answer
}

// header returns the headers of the answer to a GET, which must be 200.
func (c client) header(t *testing.T, path, credential string) http.Header {
	t.Helper()
	r, err := http.NewRequest("GET", c.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+credential)
	resp, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("GET %s: status %d", path, resp.StatusCode)
	}
	return resp.Header
}
