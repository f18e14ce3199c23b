// Httpclients walks through the API with HTTP clients that nobody of this project wrote. Each
// registers, logs in, reads the profile, refreshes, changes its name and logs out. An error
// tells it what went wrong. Httpclients needs AUTH_URL.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/datixlab/auth/interop/trial"
)

// A call is what a client is told to send.
type call struct {
	Method, URL, Token, Body string
}

// An answer is what the client makes of it.
type answer struct {
	status int
	body   trial.Object
}

// A client is a program that makes a call. What it prints is the head and the body of the
// answer, as they came.
type client struct {
	name, debian string
	needs        []string
	command      func(c call) []string
	// script is a program instead, which reads a call as JSON from its input.
	script []string
	// blind is the status of the command if the answer was a 401, whose body the client
	// throws away; 0 if it shows it.
	blind int
}

var clients = []client{
	{name: "curl", debian: "curl", needs: []string{"curl", "--version"}, command: func(c call) []string {
		args := []string{"curl", "--silent", "--show-error", "--include", "--request", c.Method, c.URL}
		if c.Token != "" {
			args = append(args, "--oauth2-bearer", c.Token)
		}
		if c.Body != "" {
			args = append(args, "--header", "Content-Type: application/json", "--data", c.Body)
		}
		return args
	}},
	{name: "curl --json", debian: "curl", needs: []string{"curl", "--version"}, command: func(c call) []string {
		args := []string{"curl", "--silent", "--include", "--request", c.Method, c.URL}
		if c.Token != "" {
			args = append(args, "--header", "Authorization: Bearer "+c.Token)
		}
		if c.Body != "" {
			args = append(args, "--json", c.Body)
		}
		return args
	}},
	{name: "curl as PowerShell sends", debian: "curl", needs: []string{"curl", "--version"}, command: func(c call) []string {
		// ConvertTo-Json indents, ends lines with CR LF and escapes quotes. Version 5.1 waits
		// for 100 Continue.
		args := []string{"curl", "--silent", "--include", "--request", c.Method, c.URL, "--header", "Authorization: Bearer " + c.Token}
		if c.Token == "" {
			args = args[:len(args)-2]
		}
		var body bytes.Buffer
		if json.Indent(&body, []byte(c.Body), "", "    ") != nil { // there is none
			return args
		}
		text := strings.NewReplacer("\n", "\r\n", "'", `\u0027`).Replace(body.String())
		return append(args, "--header", "Content-Type: application/json; charset=utf-8", "--header", "Expect: 100-continue", "--data-binary", text)
	}},
	{name: "wget", debian: "wget", blind: 6, needs: []string{"wget", "--version"}, command: func(c call) []string {
		args := []string{"wget", "--quiet", "--content-on-error", "--save-headers", "--tries=1", "--output-document=-", "--method=" + c.Method, c.URL}
		if c.Token != "" {
			args = append(args, "--header=Authorization: Bearer "+c.Token)
		}
		if c.Body != "" {
			args = append(args, "--header=Content-Type: application/json", "--body-data="+c.Body)
		}
		return args
	}},
	{name: "HTTPie", debian: "httpie", needs: []string{"http", "--version"}, command: func(c call) []string {
		args := []string{"http", "--ignore-stdin", "--pretty=none", "--print=hb", "--timeout=30"}
		if c.Token != "" {
			args = append(args, "--auth-type=bearer", "--auth="+c.Token)
		}
		if c.Body != "" {
			args = append(args, "--raw="+c.Body)
		}
		return append(args, c.Method, c.URL)
	}},
	{name: "Python requests", debian: "python3-requests", needs: []string{"/usr/bin/python3", "-c", "import requests"},
		script: []string{"/usr/bin/python3", "-c", python("requests")}},
	{name: "Python httpx", debian: "python3-httpx", needs: []string{"/usr/bin/python3", "-c", "import httpx"},
		script: []string{"/usr/bin/python3", "-c", python("httpx")}},
	{name: "Python urllib", debian: "python3", needs: []string{"/usr/bin/python3", "--version"}, script: []string{"/usr/bin/python3", "-c", `
import json, sys, urllib.error, urllib.request
call = json.load(sys.stdin)
r = urllib.request.Request(call["URL"], method=call["Method"])
if call["Body"]:
    r.data = call["Body"].encode()
    r.add_header("Content-Type", "application/json")
if call["Token"]:
    r.add_header("Authorization", "Bearer " + call["Token"])
try:
    a = urllib.request.urlopen(r)
except urllib.error.HTTPError as e:
    a = e
print("HTTP/1.1", a.status, "\n\n" + a.read().decode())`}},
	{name: "node fetch", debian: "nodejs", needs: []string{"node", "--version"}, script: []string{"node", "--input-type=module", "--eval", `
import { readFileSync } from "node:fs";
const call = JSON.parse(readFileSync(0, "utf8"));
const headers = {};
if (call.Token) headers.Authorization = "Bearer " + call.Token;
if (call.Body) headers["Content-Type"] = "application/json";
const answer = await fetch(call.URL, { method: call.Method, headers, body: call.Body || undefined });
console.log("HTTP/1.1 " + answer.status + "\n\n" + await answer.text());`}},
	{name: "Perl LWP", debian: "libwww-perl", needs: []string{"perl", "-MLWP::UserAgent", "-e", "1"}, script: []string{"perl", "-MLWP::UserAgent", "-MJSON::PP", "-e", `
my $call = decode_json(join "", <STDIN>);
my $r = HTTP::Request->new($call->{Method}, $call->{URL});
$r->header(Authorization => "Bearer $call->{Token}") if $call->{Token};
if ($call->{Body}) { utf8::encode($call->{Body}); $r->content_type("application/json"); $r->content($call->{Body}); }
my $a = LWP::UserAgent->new->request($r);
print "HTTP/1.1 ", $a->code, "\n\n", $a->content;`}},
	{name: "Ruby net/http", debian: "ruby", needs: []string{"ruby", "--version"}, script: []string{"ruby", "-rjson", "-rnet/http", "-e", `
call = JSON.parse($stdin.read)
uri = URI(call["URL"])
r = Net::HTTP.const_get(call["Method"].capitalize).new(uri)
r["Authorization"] = "Bearer #{call["Token"]}" unless call["Token"].empty?
unless call["Body"].empty?
  r["Content-Type"] = "application/json"
  r.body = call["Body"]
end
a = Net::HTTP.start(uri.host, uri.port) { |http| http.request(r) }
puts "HTTP/1.1 #{a.code}\n\n#{a.body}"`}},
}

// python is a program with a library that has the calls of requests. As the page of each
// says: a body that is JSON, of objects.
func python(library string) string {
	return `
import json, sys, ` + library + `
call = json.load(sys.stdin)
headers = {"Authorization": "Bearer " + call["Token"]} if call["Token"] else {}
more = {"json": json.loads(call["Body"])} if call["Body"] else {}
a = ` + library + `.request(call["Method"], call["URL"], headers=headers, timeout=30, **more)
print("HTTP/1.1", a.status_code, "\n\n" + a.text)`
}

var head = regexp.MustCompile(`(?s)^HTTP/[\d.]+ (\d+)[^\n]*\n(?:[^\n]+\n)*\n(.*)$`)

func (c client) send(ctx context.Context, what call) (answer, error) {
	command, input := c.script, ""
	if command == nil {
		command = c.command(what)
	} else {
		text, err := json.Marshal(what)
		if err != nil {
			return answer{}, err
		}
		input = string(text)
	}
	// Some clients end with a status other than 0 for a refusal: what they print counts.
	output, err := trial.Run(ctx, input, command...)
	if exit := (*exec.ExitError)(nil); c.blind > 0 && errors.As(err, &exit) && exit.ExitCode() == c.blind {
		return answer{status: http.StatusUnauthorized}, nil
	}
	output = strings.TrimPrefix(strings.ReplaceAll(output, "\r\n", "\n"), "HTTP/1.1 100 Continue\n\n")
	m := head.FindStringSubmatch(output)
	if m == nil {
		return answer{}, fmt.Errorf("no answer: %w\n%s", err, output)
	}
	a := answer{}
	if a.status, err = strconv.Atoi(m[1]); err != nil {
		return answer{}, err
	}
	if err := json.Unmarshal([]byte(m[2]), &a.body); err != nil {
		return answer{}, fmt.Errorf("%d with %q: %w", a.status, m[2], err)
	}
	return a, nil
}

func main() { trial.Main(run) }

func run(ctx context.Context) (failed error) {
	for i, c := range clients {
		if trial.Missing(ctx, c.name, c.debian, c.needs...) {
			continue
		}
		if err := walk(ctx, c, fmt.Sprintf("client%d@example.com", i)); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.name, err))
		} else {
			fmt.Println(c.name, "ok")
		}
	}
	return failed
}

// fullName has what programs get wrong when they write JSON or UTF-8.
const fullName = "Zoë \"Ada\" O'Brien 李"

func walk(ctx context.Context, c client, email string) error {
	base := os.Getenv("AUTH_URL")
	send := func(want int, method, path, token string, body trial.Object) (trial.Object, error) {
		text := ""
		if body != nil {
			encoded, err := json.Marshal(body)
			if err != nil {
				return nil, err
			}
			text = string(encoded)
		}
		a, err := c.send(ctx, call{method, base + path, token, text})
		if err == nil && a.status != want {
			err = fmt.Errorf("status %d, want %d: %v", a.status, want, a.body)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		return a.body, nil
	}
	refused := func(want int, code, method, path, token string, body trial.Object) error {
		problem, err := send(want, method, path, token, body)
		if err == nil && want == http.StatusUnauthorized && c.blind > 0 {
			return nil
		}
		if err == nil && (problem.Text("code") != code || problem.Text("detail") == "") {
			err = fmt.Errorf("%s %s: the problem %v, want the code %s", method, path, problem, code)
		}
		return err
	}

	user := trial.Object{"email": email, "password": trial.Password, "full_name": fullName}
	if registered, err := send(201, "POST", "/register", "", user); err != nil || registered.Text("full_name") != fullName {
		return errors.Join(err, fmt.Errorf("registered as %q", registered.Text("full_name")))
	}
	if err := refused(409, "email_taken", "POST", "/register", "", user); err != nil {
		return err
	}
	if err := refused(400, "weak_password", "POST", "/register", "", trial.Object{"email": "x" + email, "password": "short", "full_name": "X"}); err != nil {
		return err
	}
	if err := refused(401, "invalid_credentials", "POST", "/login", "", trial.Object{"email": email, "password": "not " + trial.Password}); err != nil {
		return err
	}
	login, err := send(200, "POST", "/login", "", trial.Object{"email": email, "password": trial.Password})
	if err != nil {
		return err
	}
	if profile, err := send(200, "GET", "/me", login.Text("access_token"), nil); err != nil || profile.Text("email") != email {
		return errors.Join(err, fmt.Errorf("the profile is of %q", profile.Text("email")))
	}
	refreshed, err := send(200, "POST", "/refresh", login.Text("access_token"), nil)
	if err != nil {
		return err
	}
	token := refreshed.Text("access_token")
	if changed, err := send(200, "PATCH", "/me", token, trial.Object{"full_name": "Ada"}); err != nil || changed.Text("full_name") != "Ada" {
		return errors.Join(err, fmt.Errorf("changed to %q", changed.Text("full_name")))
	}
	key, err := send(201, "POST", "/api-keys", token, trial.Object{"name": "Nightly", "expires_in_days": 30})
	if err != nil {
		return err
	}
	if _, err := send(200, "DELETE", "/api-keys/"+key.Text("id"), token, nil); err != nil {
		return err
	}
	if _, err := send(200, "POST", "/logout", token, nil); err != nil {
		return err
	}
	if err := refused(401, "invalid_token", "GET", "/me", token, nil); err != nil {
		return err
	}
	return refused(401, "authentication_required", "GET", "/me", "", nil)
}
