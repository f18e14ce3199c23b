package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
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

// How long a user of the pages may be away. The list of sessions and the cookie say the same.
func TestUsersStaySignedInForTwoWeeksUnlessAFlagSaysOtherwise(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, c := range map[string]struct {
		args []string
		want time.Duration
	}{
		"by default": {nil, time.Hour + 14*24*time.Hour},
		"not at all": {[]string{"-refresh-after-expiry", "0"}, time.Hour},
	} {
		log, stop := running(t, environment{secret: testSecret}, c.args...)
		server := client{"http://" + addrInLog.FindStringSubmatch(log.String())[1], http.DefaultClient}
		ada := object{"email": "ada@example.com", "password": "a sentence that nobody else has", "full_name": "Ada"}
		server.must(t, 201, "POST", "/v1/auth/register", "", ada)
		delete(ada, "full_name")
		body, err := json.Marshal(ada)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(server.base+"/auth/login", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		cookies := answer.Cookies()
		if len(cookies) == 0 {
			t.Fatalf("%s: a login is %d, and sets no cookie", name, answer.StatusCode)
		}
		var list struct {
			Sessions []struct {
				Begun time.Time `json:"created_at"`
				End   time.Time `json:"expires_at"`
			}
		}
		text, err := json.Marshal(server.must(t, 200, "GET", "/v1/auth/sessions", cookies[0].Value, nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &list); err != nil || len(list.Sessions) != 1 {
			t.Fatalf("%s: %s, %v", name, text, err)
		}
		one := list.Sessions[0]
		if kept := time.Duration(cookies[0].MaxAge) * time.Second; one.End.Sub(one.Begun) != c.want || kept > c.want || kept < c.want-time.Minute {
			t.Errorf("%s: the session is listed for %v and the cookie kept for %v, not %v", name, one.End.Sub(one.Begun), kept, c.want)
		}
		stop()
	}
}
