package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/openstore"
)

func doctorCommands() []command {
	return []command{
		{"doctor", "[FILE…]", "Look at a service, at its store, and at what only the outside sees. That is the latency, TLS, and who may use its files: those beside the socket or the store, and any FILE, such as a copy or a file with a secret.", [2]int{0, -1}, doctor},
	}
}

// A check is one thing that was looked at, as the API shows one.
type check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warn or fail
	Detail string `json:"detail"`
}

// What is slow for a call of a service, and when a certificate is to be renewed.
const (
	slowCall = 250 * time.Millisecond
	renewIn  = 21 * 24 * time.Hour
)

// doctor ends with 1 if there is a warning, and with 2 if a check has failed.
func doctor(flags *flag.FlagSet) action {
	var at *string
	flags.Func("url", "look also at the service as its users reach it, at this public `URL` of its handler: its certificate, and whether it answers without TLS", func(value string) error { at = &value; return nil })
	return func(ctx context.Context, v *invocation) error {
		if at == nil {
			return v.doctor(ctx, nil)
		}
		public, err := url.Parse(strings.TrimRight(*at, "/"))
		if err != nil || public.Scheme != "https" && public.Scheme != "http" || public.Host == "" || public.User != nil || public.RawQuery != "" {
			return usageError("-url must be an http or https URL without user and query") // not repeated: it may have a password
		}
		return v.doctor(ctx, public)
	}
}

func (v *invocation) doctor(ctx context.Context, public *url.URL) error {
	var checks []check
	if public != nil { // first, so that the service has seen what is in front of it
		checks = lookFromOutside(ctx, public)
	}
	c, err := v.client(ctx)
	if err != nil {
		checks = append(checks, unreached(err))
	} else {
		checks = append(checks, c.examine(ctx)...)
	}
	checks = append(checks, v.files()...)
	if err := v.printChecks(checks); err != nil {
		return err
	}
	has := func(status string) bool {
		return slices.ContainsFunc(checks, func(c check) bool { return c.Status == status })
	}
	switch {
	case has("fail"):
		return exitStatus(2)
	case slices.ContainsFunc(checks, func(c check) bool { return c.Status != "ok" }):
		return exitStatus(1)
	}
	return nil
}

func (v *invocation) printChecks(checks []check) error {
	if v.json {
		return v.printJSON(map[string]any{"checks": checks})
	}
	t := &table{w: v.stdout, gap: "  "} // a detail is never cut
	for _, c := range checks {
		t.row(c.Status, c.Name, c.Detail)
	}
	t.flush()
	return nil
}

// examine asks the service how it is, and adds how it was reached.
func (c *client) examine(ctx context.Context) (checks []check) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answer, err := c.send(ctx, http.MethodGet, "/doctor", nil)
	if err != nil {
		return []check{unreached(err)}
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	doc, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	said := struct{ Checks []check }{}
	if err == nil {
		err = json.Unmarshal(doc, &said)
	}
	if err != nil || len(said.Checks) == 0 {
		return []check{unreached(fmt.Errorf("%s does not answer as an administration does; is -admin right?", c.where))}
	}
	checks = said.Checks
	if c.closeStore != nil { // what it says of itself is about this process, and not the service
		checks = slices.DeleteFunc(checks, func(c check) bool {
			return slices.Contains([]string{"connection", "events", "hashing", "mail"}, c.Name)
		})
	}
	checks = append(checks, c.latency(ctx))
	if answer.TLS != nil {
		checks = append(checks, certificate(answer.TLS, time.Now()))
	}
	return checks
}

// lookFromOutside reads the document of a handler as its clients do.
func lookFromOutside(ctx context.Context, public *url.URL) (checks []check) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	began := time.Now()
	state, err := readDocument(ctx, public)
	if err != nil {
		return []check{{"url", "fail", err.Error()}}
	}
	checks = []check{{"url", "ok", fmt.Sprintf("%s answers within %v.", public, time.Since(began).Round(time.Millisecond))}}
	if state != nil {
		checks = append(checks, certificate(state, time.Now()))
	} else if !isLoopback(public.Hostname()) {
		return append(checks, check{"plain_http", "fail", "The URL begins with http: whoever is on the way reads passwords and tokens."})
	}
	if public.Scheme == "https" && public.Port() == "" {
		plain := *public
		plain.Scheme = "http"
		if _, err := readDocument(ctx, &plain); err == nil {
			return append(checks, check{"plain_http", "fail", plain.String() + " answers too: redirect it to https."})
		}
		checks = append(checks, check{"plain_http", "ok", "The service is not served without TLS."})
	}
	return checks
}

// readDocument returns the state of TLS, nil without TLS, of an answer with the document of a handler.
func readDocument(ctx context.Context, at *url.URL) (*tls.ConnectionState, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String()+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := clientOf(http.DefaultTransport).Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	var document struct{ OpenAPI string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&document); err != nil || answer.StatusCode != http.StatusOK || document.OpenAPI == "" {
		return nil, fmt.Errorf("%s is answered with %s, and not with the document of a handler; does the URL have the prefix at which it is mounted?", r.URL, answer.Status)
	}
	return answer.TLS, nil
}

func unreached(err error) check {
	return check{"reached", "fail", strings.ReplaceAll(err.Error(), "\n  ", "; ")}
}

// latency measures the call that does least, the second time, as connecting is not part of it.
func (c *client) latency(ctx context.Context) check {
	began := time.Now()
	if _, err := c.call(ctx, http.MethodGet, "/stats", nil); err != nil {
		return check{"latency", "fail", err.Error()}
	}
	took := time.Since(began).Round(10 * time.Microsecond)
	if took > slowCall {
		return check{"latency", "warn", fmt.Sprintf("A call took %v, and %v is slow.", took, slowCall)}
	}
	return check{"latency", "ok", fmt.Sprintf("A call took %v.", took)}
}

func certificate(state *tls.ConnectionState, now time.Time) check {
	ends := state.PeerCertificates[0].NotAfter
	for _, c := range state.PeerCertificates {
		if c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	detail := fmt.Sprintf("%s, with a certificate that is valid until %s.", tls.VersionName(state.Version), ends.UTC().Format(time.RFC3339))
	if ends.Sub(now) < renewIn {
		return check{"certificate", "warn", detail + " Renew it."}
	}
	return check{"certificate", "ok", detail}
}

// files looks at who may use the files of the service: those that are named, and those that are
// beside the socket and the store.
func (v *invocation) files() (checks []check) {
	var found []string
	if v.open != nil && v.open.socket != "" {
		checks = append(checks, fileCheck("socket", v.open.socket))
		dir := filepath.Dir(v.open.socket)
		database := filepath.Join(dir, strings.TrimPrefix(openstore.DefaultStore, "bolt:"))
		found = append(found, database, database+".secret", filepath.Join(dir, openstore.SharedSecretFile))
	}
	if spec := v.at.store.Spec; spec != nil {
		if path, ok := strings.CutPrefix(*spec, "bolt:"); ok {
			found = append(found, path, path+".secret")
		}
	}
	for _, flag := range []*string{v.at.store.File, v.at.secretFile} {
		if flag != nil {
			found = append(found, *flag)
		}
	}
	for _, path := range found {
		if _, err := os.Lstat(path); err == nil && !slices.Contains(v.args, path) {
			checks = append(checks, fileCheck("file", path))
		}
	}
	for _, path := range v.args {
		checks = append(checks, fileCheck("file", path))
	}
	return checks
}

// fileCheck says whether another user than the owner may use a file, or replace it.
func fileCheck(name, path string) check {
	info, err := os.Stat(path)
	if err != nil {
		return check{name, "fail", err.Error()}
	}
	if runtime.GOOS == "windows" {
		return check{name, "ok", path + ". Windows has no modes: see who may use it in its properties."}
	}
	about := fmt.Sprintf("%s is %s, mode %04o.", path, ownerName(info), info.Mode().Perm())
	mode := info.Mode().Perm()
	switch {
	case mode&0o007 != 0:
		return check{name, "fail", about + " Every user may use it: chmod 600."}
	case mode&0o070 != 0:
		return check{name, "warn", about + " Its group may use it."}
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return check{name, "fail", err.Error()}
	}
	if writable := dir.Mode(); writable.Perm()&0o002 != 0 && writable&fs.ModeSticky == 0 {
		return check{name, "fail", about + " Every user may replace it, as its folder is writable for all."}
	}
	return check{name, "ok", about}
}
