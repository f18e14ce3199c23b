package httpauth

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// maxIDLen is how many characters an identifier in a path has at most.
const maxIDLen = 64

// A routing finds the route of a request by its exact path. A path that is not in its plain
// form has no route: one with a doubled or trailing slash, an escape that is not needed, or
// an escaped slash. So the Handler and a program in front of it cannot disagree about which
// route is called.
type routing struct {
	root  *node
	depth int // segments of the longest path
}

// A node is a segment of a path, as a tree of all paths has it.
type node struct {
	next     map[string]*node
	variable *node // for a segment that is an identifier
	path     string
	methods  map[string]*route // nil if no path ends here
	allow    string            // the Allow header of the path
}

// newRouting returns the routing of routes.
func newRouting(routes []route) routing {
	rs := routing{root: &node{}}
	for i := range routes {
		rt := &routes[i]
		n, depth := rs.root, 0
		for segment := range strings.SplitSeq(rt.path[1:], "/") {
			n, depth = n.child(segment), depth+1
			if isVariable(segment) {
				rt.variables = append(rt.variables, strings.Trim(segment, "{}"))
			}
		}
		rs.depth = max(rs.depth, depth)
		if n.methods == nil {
			n.path, n.methods = rt.path, map[string]*route{}
		}
		n.methods[rt.method] = rt
		n.allow = allow(n.methods)
	}
	return rs
}

// isVariable reports whether a segment of a route's path stands for an identifier.
func isVariable(segment string) bool { return strings.HasPrefix(segment, "{") }

// child returns the node behind n for a segment of a route's path, new if need be.
func (n *node) child(segment string) *node {
	if isVariable(segment) {
		if n.variable == nil {
			n.variable = &node{}
		}
		return n.variable
	}
	if n.next == nil {
		n.next = map[string]*node{}
	}
	if n.next[segment] == nil {
		n.next[segment] = &node{}
	}
	return n.next[segment]
}

// allow is the Allow header of a path with these methods.
func allow(methods map[string]*route) string {
	all := append(slices.Collect(maps.Keys(methods)), http.MethodOptions)
	if methods[http.MethodGet] != nil {
		all = append(all, http.MethodHead)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// find returns the node of the request's path, nil if there is none, and the identifiers that
// the path has for the route's variables.
func (rs routing) find(r *http.Request) (n *node, values []string) {
	if r.URL.RawPath != "" { // an escaping that is not the plain one
		return nil, nil
	}
	return rs.root.match(r.URL.Path, nil)
}

// match returns the node of path, which is empty or begins with a slash. A segment that the
// table spells out has precedence over a variable.
func (n *node) match(path string, values []string) (*node, []string) {
	if path == "" && n.methods != nil {
		return n, values
	}
	if path == "" || path[0] != '/' {
		return nil, nil
	}
	segment, rest := path[1:], ""
	if i := strings.IndexByte(segment, '/'); i >= 0 {
		segment, rest = segment[:i], segment[i:]
	}
	if next := n.next[segment]; next != nil {
		if found, all := next.match(rest, values); found != nil {
			return found, all
		}
	}
	if n.variable != nil && validID(segment) {
		return n.variable.match(rest, append(values, segment))
	}
	return nil, nil
}

// route returns the route for a method, nil if there is none. HEAD is served wherever
// GET is.
func (n *node) route(method string) *route {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return n.methods[method]
}

// endOf returns the route's path that a path without a route ends in, "" if there is
// none. It looks at as many segments as a route has, however long the path is.
func (rs routing) endOf(path string) string {
	path = "/" + path // StripPrefix may have removed its first slash
	end := len(path)
	for range rs.depth {
		if end = strings.LastIndexByte(path[:end], '/'); end < 0 {
			break
		}
		if n, _ := rs.root.match(path[end:], nil); n != nil {
			return n.path
		}
	}
	return ""
}

// validID reports whether s has the form of an identifier. No other text of a path is passed
// to the Manager.
func validID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxIDLen
}
