package httpauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	pathpkg "path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/datixlab/auth"
)

const documentPath = "/openapi.json"

// A document is an OpenAPI 3.1 document in two halves. The URL of its server is written between
// them.
type document struct {
	before, after []byte
	latest        atomic.Pointer[located] // as a rule all requests come by one mount
}

// A located is the document of a server at url.
type located struct {
	url string
	*published
}

// serverMark is the text at which a document is cut in two. No other text in it has a NUL.
const serverMark = "\x00"

// at returns the document of a server at url.
func (d *document) at(url string) (*published, error) {
	if l := d.latest.Load(); l != nil && l.url == url {
		return l.published, nil
	}
	text, err := json.Marshal(url)
	if err != nil {
		return nil, err
	}
	l := &located{url, publish(slices.Concat(d.before, text, d.after))}
	d.latest.Store(l)
	return l.published, nil
}

func (h *Handler) getDocument(c *call) (any, error) {
	url := h.url
	if url == "" {
		url = mountOf(c.uri)
	}
	return h.document.at(url)
}

// mountOf returns the path at which the Handler is mounted. It is the part of the target of a
// request for the document that is before documentPath, and never a host. It is "/" if the
// target does not end in documentPath, or has empty or dot segments: "//x" would be the host x.
func mountOf(uri string) string {
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return "/"
	}
	path, ok := strings.CutSuffix(u.EscapedPath(), documentPath)
	if !ok || !strings.HasPrefix(path, "/") || pathpkg.Clean(path) != path {
		return "/"
	}
	return path
}

// An about is what a document says about all of its routes.
type about struct {
	title, description string
	tags               []tagInfo // in the order of the document
	schemes            object    // how a request proves who makes it
	sessions           []string  // the schemes of an access token
}

var aboutPublic = about{
	title: "Authentication",
	description: "Accounts, sessions, two-factor authentication and API keys. " +
		"JSON in UTF-8; times are RFC 3339 in UTC. Every refusal is a problem of RFC 9457 with a stable code. " +
		"HEAD is answered as GET is, without a body, and OPTIONS with 204 and Allow. An unknown path is 404, another method 405. " +
		"Members that are not documented are ignored; a documented one in another case is refused.",
	tags:     tags,
	sessions: []string{"bearerToken"},
	schemes: object{
		{"bearerToken", object{{"type", "http"}, {"scheme", "bearer"}, {"description", "An access token, from login, verify-2fa or refresh. Where X-API-Key is allowed too, an API key."}}},
		{"apiKeyHeader", object{{"type", "apiKey"}, {"in", "header"}, {"name", "X-API-Key"}, {"description", "An API key, instead of the Authorization header: two credentials are refused."}}},
	},
}

// schemeSecondStep is the cookie of a login that waits for its code.
const schemeSecondStep = "secondStepCookie"

// aboutBrowser is aboutPublic for a Browser.
func aboutBrowser(names *cookieNames) about {
	what := aboutPublic
	what.description += " For pages of the same origin: access tokens, temp tokens and device tokens are in cookies that no script can read, and in no body." +
		" What a page of another origin may have sent to change something is 403."
	what.schemes = append(object{
		{"cookie", object{{"type", "apiKey"}, {"in", "cookie"}, {"name", names.session}, {"description", "An access token. login, verify-2fa and refresh set it. logout, delete-account and a call whose session is over clear it."}}},
		{schemeSecondStep, object{{"type", "apiKey"}, {"in", "cookie"}, {"name", names.secondStep}, {"description", "A login that waits for its code. login sets it, and verify-2fa clears it."}}},
	}, what.schemes...)
	what.sessions = []string{"cookie", "bearerToken"}
	return what
}

// openAPI returns the document of routes. It is the same, byte for byte, for the same
// routes and limits.
func openAPI(what about, routes []route, limits auth.InputLimits) (*document, error) {
	d := documenter{refusals: map[string]string{}, keywords: keywords(limits), sessions: what.sessions}
	var paths, groups object
	for i := range routes {
		rt := &routes[i]
		item, _ := paths.get(rt.path).(object)
		paths.set(rt.path, append(item, member{strings.ToLower(rt.method), d.operation(rt)}))
	}
	for _, t := range what.tags {
		if slices.ContainsFunc(routes, func(rt route) bool { return rt.tag == t.tag }) {
			groups = append(groups, member{string(t.tag), object{{"name", t.tag}, {"description", t.description}}})
		}
	}
	text, err := appendJSON(nil, object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", what.title},
			{"version", "1.0.0"},
			{"description", what.description},
			{"contact", object{{"name", "Package httpauth"}, {"url", "https://pkg.go.dev/github.com/datixlab/auth/httpauth"}}},
		}},
		{"servers", []object{{{"url", serverMark}}}},
		{"tags", groups.values()},
		{"paths", paths},
		{"components", object{
			{"schemas", d.schemas},
			{"responses", d.responses},
			{"securitySchemes", what.schemes},
		}},
	})
	if err := errors.Join(err, d.err); err != nil {
		return nil, err
	}
	mark, err := json.Marshal(serverMark)
	before, after, _ := bytes.Cut(text, mark)
	return &document{before: before, after: after}, err
}

// A documenter makes a document. It collects what operations refer to.
type documenter struct {
	schemas, responses object
	refusals           map[string]string // what each response for refusals is made of
	keywords           map[string]object // by the input tag
	sessions           []string          // of the about
	err                error             // the first thing that is wrong with the table
}

func (d *documenter) operation(rt *route) object {
	op := object{
		{"tags", []Tag{rt.tag}},
		{"operationId", rt.id},
		{"summary", rt.summary},
		{"description", rt.description},
		{"security", d.security(rt)},
	}
	if parameters := append(d.pathParameters(rt), d.queryParameters(rt)...); parameters != nil {
		op = append(op, member{"parameters", parameters})
	}
	if rt.call.body != nil {
		op = append(op, member{"requestBody", object{
			{"required", !rt.bodyOptional},
			{"content", object{{jsonMedia, object{{"schema", d.request(rt.call.body)}, {"example", example(rt.call.body)}}}}},
		}})
	}
	return append(op, member{"responses", d.answers(rt)})
}

// variableDocs are what the variables of paths stand for, with examples.
var variableDocs = map[string]struct{ doc, example string }{
	"session_id":    {"The id of a session, as the list has it.", "ses_1a2b3c"},
	"device_id":     {"The id of a trusted device, as the list has it.", "device_1a2b3c"},
	"invitation_id": {"The id of an invitation, as the list has it.", "invitation_1a2b3c"},
	"user_id":       {"The id of a user, as the list has it.", "user_1a2b3c"},
	"key_id":        {"The id of an API key, as the list has it.", "key_1a2b3c"},
}

func (d *documenter) pathParameters(rt *route) (list []object) {
	for _, name := range rt.variables {
		v, ok := variableDocs[name]
		if !ok {
			d.fail("no variable is called %s", name)
		}
		list = append(list, object{
			{"name", name}, {"in", "path"}, {"required", true}, {"description", v.doc}, {"example", v.example},
			{"schema", object{{"type", "string"}, {"pattern", fmt.Sprintf("^[0-9A-Za-z_-]{1,%d}$", maxIDLen)}}},
		})
	}
	return list
}

func (d *documenter) queryParameters(rt *route) (list []object) {
	if rt.call.query == nil {
		return nil
	}
	for f := range rt.call.query.Fields() {
		list = append(list, object{
			{"name", f.Tag.Get("query")}, {"in", "query"}, {"required", false}, {"description", f.Tag.Get("doc")}, {"schema", d.scalar(f.Type, f.Tag)},
		})
	}
	return list
}

// security returns the credentials that a call accepts. An API key may be in either header. In
// Authorization it is written as an access token is.
func (d *documenter) security(rt *route) []object {
	schemes, any := slices.Clone(rt.schemes), []object{}
	if rt.access != anyone && rt.access != operatorOnly {
		schemes = append(schemes, d.sessions...)
	}
	if rt.access == anyCredential {
		schemes = append(schemes, "apiKeyHeader")
	}
	for _, scheme := range schemes {
		any = append(any, object{{scheme, []string{}}})
	}
	return any
}

// answers returns the responses of rt, by status.
func (d *documenter) answers(rt *route) (all object) {
	success := object{{"description", rt.success}}
	switch {
	case rt.public:
		success = append(success, member{"headers", object{{"ETag", header("string", "A strong validator, for If-None-Match.")}}})
	case rt.access == anyCredential:
		success = append(success, member{"headers", object{
			{headerDeprecation, optional(header("string", "Only for an API key that was replaced: when that was (RFC 9745)."))},
			{headerSunset, optional(header("string", "Only for an API key that was replaced: when it ends (RFC 8594)."))},
		}})
	}
	if rt.cookies != "" {
		success = append(success, member{"headers", object{{"Set-Cookie", optional(header("string", rt.cookies))}}})
	}
	all.set(strconv.Itoa(rt.status), append(success, member{"content", object{{rt.mediaType(), d.success(rt)}}}))
	if rt.public {
		all.set("304", object{
			{"description", "Not modified: If-None-Match has the current ETag."},
			{"headers", object{{"ETag", header("string", "The same as with 200.")}}},
		})
	}
	var statuses []int
	byStatus := map[int][]Code{}
	for _, code := range rt.problems() {
		status := problemTypes[code].status
		if rt.challenges && code == CodeReauthenticationRequired {
			status = http.StatusUnauthorized
		}
		if byStatus[status] == nil {
			statuses = append(statuses, status)
		}
		if !slices.Contains(byStatus[status], code) {
			byStatus[status] = append(byStatus[status], code)
		}
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		all.set(strconv.Itoa(status), d.refusal(status, byStatus[status]))
	}
	return all
}

func (d *documenter) success(rt *route) object {
	switch len(rt.answers) {
	case 0:
		if rt.mediaType() != jsonMedia {
			return object{}
		}
		return object{{"schema", object{{"type", "object"}}}}
	case 1:
		t := reflect.TypeOf(rt.answers[0])
		return object{{"schema", d.answer(t)}, {"example", example(t)}}
	}
	var choices []object
	var examples object
	for _, a := range rt.answers {
		t := reflect.TypeOf(a)
		choices = append(choices, d.answer(t))
		examples.set(documentedName(t), object{{"value", example(t)}})
	}
	return object{{"schema", object{{"oneOf", choices}}}, {"examples", examples}}
}

// refusal returns a reference to the response of a status with one of codes.
func (d *documenter) refusal(status int, codes []Code) object {
	name, from := refusalName(codes), fmt.Sprint(status, codes)
	reference := object{{"$ref", "#/components/responses/" + name}}
	if before, ok := d.refusals[name]; ok {
		if before != from {
			d.fail("two responses are called %s", name)
		}
		return reference
	}
	d.refusals[name] = from
	var examples object
	doc := http.StatusText(status) + "."
	for _, code := range codes {
		p := newProblem(code)
		p.Status = status
		examples.set(string(code), object{{"value", p}})
		doc += "\n- `" + string(code) + "`: " + p.Detail
	}
	response := object{
		{"description", doc},
		{"content", object{{"application/problem+json", object{
			{"schema", object{{"allOf", []object{
				d.answer(reflect.TypeFor[problem]()),
				{{"type", "object"}, {"required", []string{"code"}}, {"properties", object{{"code", object{{"type", "string"}, {"enum", codes}}}}}},
			}}}},
			{"examples", examples},
		}}}},
	}
	switch status {
	case http.StatusUnauthorized:
		response = append(response, member{"headers", object{{"WWW-Authenticate", header("string", "A Bearer challenge, RFC 6750 section 3.")}}})
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		response = append(response, member{"headers", object{{"Retry-After", header("integer", "Seconds, 1 or more.")}}})
	}
	d.responses.set(name, response)
	return reference
}

// commonRefusals are the codes that most calls share. Their name is that of the status.
var commonRefusals = []struct {
	name  string
	codes []Code
}{
	{"BadRequest", []Code{CodeInvalidJSON, CodeInvalidRequest, CodeInvalidInput}},
	{"Unauthorized", []Code{CodeAuthenticationRequired, CodeInvalidToken}},
	{"Forbidden", []Code{CodeTwoFactorSetupRequired, CodeForbidden}},
	{"ServiceUnavailable", []Code{CodeOverloaded, CodeUnavailable}},
}

// refusalName returns the name of a response with one of codes. It depends on nothing else, so
// it stays the same when other routes are added or removed.
func refusalName(codes []Code) string {
	var parts []string
	rest := slices.Clone(codes)
	for _, common := range commonRefusals {
		if slices.ContainsFunc(common.codes, func(c Code) bool { return !slices.Contains(codes, c) }) {
			continue
		}
		parts = append(parts, common.name)
		rest = slices.DeleteFunc(rest, func(c Code) bool { return slices.Contains(common.codes, c) })
	}
	for _, code := range rest {
		if code == CodeForbidden { // without what is beside it in commonRefusals.Forbidden
			parts = append(parts, "NotAllowed")
			continue
		}
		parts = append(parts, strings.TrimPrefix(problemTypes[code].name, "Code"))
	}
	return strings.Join(parts, "Or")
}

func header(kind, doc string) object {
	return object{{"required", true}, {"description", doc}, {"schema", object{{"type", kind}}}}
}

// optional returns a header that not all answers have.
func optional(header object) object {
	header.set("required", false)
	return header
}

func (d *documenter) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}
