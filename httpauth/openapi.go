package httpauth

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// openAPI returns the OpenAPI 3.1 document of routes.
func openAPI(routes []route) (json.RawMessage, error) {
	s := schemas{object{}}
	paths := map[string]object{}
	for i := range routes {
		rt := &routes[i]
		if paths[rt.path] == nil {
			paths[rt.path] = object{}
		}
		paths[rt.path][strings.ToLower(rt.method)] = s.operation(rt)
	}
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "Authentication",
			"version":     "1",
			"description": "Accounts, sessions, two-factor authentication and API keys. JSON in UTF-8; times are RFC 3339 in UTC. Every refusal is a problem of RFC 9457 with a stable code. An unknown path is 404, another method 405 with Allow.",
		},
		"servers": []object{{"url": "."}}, // beside the document, wherever that is mounted
		"paths":   paths,
		"components": object{
			"schemas": s.named,
			"securitySchemes": object{
				"accessToken":  object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From login, verify-2fa or refresh."},
				"apiKey":       object{"type": "http", "scheme": "bearer", "description": "An API key in place of the access token."},
				"apiKeyHeader": object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
			},
		},
	})
}

func (s schemas) operation(rt *route) object {
	op := object{
		"operationId": rt.id,
		"summary":     rt.summary,
		"security":    security(rt.access),
		"responses":   s.responses(rt),
	}
	if strings.HasSuffix(rt.path, variable) {
		op["parameters"] = []object{{
			"name": strings.Trim(variable, "{}"), "in": "path", "required": true, "example": "key_1a2b3c",
			"schema": object{"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"},
		}}
	}
	if rt.call.in != nil {
		op["requestBody"] = object{
			"required": !rt.bodyOptional,
			"content": object{"application/json": object{
				"schema":  s.request(rt.call.in),
				"example": example(rt.call.in),
			}},
		}
	}
	return op
}

func security(a access) []object {
	none := []string{}
	switch a {
	case anyone:
		return []object{}
	case anyCredential:
		return []object{{"accessToken": none}, {"apiKey": none}, {"apiKeyHeader": none}}
	}
	return []object{{"accessToken": none}}
}

func (s schemas) responses(rt *route) object {
	all := object{strconv.Itoa(rt.status): object{
		"description": http.StatusText(rt.status),
		"content":     object{rt.mediaType(): s.success(rt)},
	}}
	byStatus := map[int][]Code{}
	for _, code := range rt.problems() {
		status := problemTypes[code].status
		if rt.challenges && code == CodeReauthenticationRequired {
			status = http.StatusUnauthorized
		}
		if !slices.Contains(byStatus[status], code) {
			byStatus[status] = append(byStatus[status], code)
		}
	}
	for status, codes := range byStatus {
		all[strconv.Itoa(status)] = s.refusal(status, codes)
	}
	return all
}

func (s schemas) success(rt *route) object {
	switch len(rt.answers) {
	case 0:
		return object{"schema": object{"type": "object"}}
	case 1:
		t := reflect.TypeOf(rt.answers[0])
		return object{"schema": s.answer(t), "example": example(t)}
	}
	var choices []object
	examples := object{}
	for _, a := range rt.answers {
		t := reflect.TypeOf(a)
		choices = append(choices, s.answer(t))
		examples[t.Name()] = object{"value": example(t)}
	}
	return object{"schema": object{"oneOf": choices}, "examples": examples}
}

func (s schemas) refusal(status int, codes []Code) object {
	examples := object{}
	for _, code := range codes {
		p := newProblem(code)
		p.Status = status
		examples[string(code)] = object{"value": p}
	}
	schema := s.answer(reflect.TypeFor[problem]())
	schema["properties"] = object{"code": object{"enum": codes}}
	response := object{
		"description": http.StatusText(status),
		"content":     object{"application/problem+json": object{"schema": schema, "examples": examples}},
	}
	switch status {
	case http.StatusUnauthorized:
		response["headers"] = object{"WWW-Authenticate": header("string", "A Bearer challenge, RFC 6750 section 3.")}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		response["headers"] = object{"Retry-After": header("integer", "Seconds, 1 or more.")}
	}
	return response
}

func header(kind, doc string) object {
	return object{"required": true, "description": doc, "schema": object{"type": kind}}
}
