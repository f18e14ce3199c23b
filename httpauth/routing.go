package httpauth

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A routing finds the route of a request: by its exact path, without aliases. A
// path that is spelled otherwise than its plain form (a doubled or trailing slash,
// an escape that needs none, an escaped slash) is no route, so that nothing in
// front of the Handler and the Handler itself can disagree about what is called.
type routing struct {
	fixed map[string]methods // by path
	under map[string]methods // by what stands before a last segment that is an identifier
}

type methods map[string]*route

func newRouting(routes []route) routing {
	rs := routing{map[string]methods{}, map[string]methods{}}
	for i := range routes {
		rt := &routes[i]
		where, path := rs.fixed, rt.path
		if dir, ok := strings.CutSuffix(path, variable); ok {
			where, path = rs.under, dir
		}
		if where[path] == nil {
			where[path] = methods{}
		}
		where[path][rt.method] = rt
	}
	return rs
}

// find returns the route of r and what its path has in place of the variable.
func (rs routing) find(r *http.Request) (rt *route, param string, err error) {
	path := r.URL.Path
	found := rs.fixed[path]
	if found == nil {
		end := strings.LastIndexByte(path, '/') + 1
		if found = rs.under[path[:end]]; validID(path[end:]) {
			param = path[end:]
		} else {
			found = nil
		}
	}
	if found == nil || r.URL.RawPath != "" { // an escaping that is not the plain one
		return nil, "", &refusal{code: CodeNotFound}
	}
	if rt = found[r.Method]; rt == nil {
		return nil, "", &refusal{code: CodeMethodNotAllowed, allow: strings.Join(slices.Sorted(maps.Keys(found)), ", ")}
	}
	return rt, param, nil
}

// validID reports whether s has the form of an identifier. Nothing else in a path
// ever gets to the Manager.
func validID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
