package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/jwtauth/v5"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

const bareHandler = "the bare handler"

// bare is the handler that is guarded.
var bare = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") })

// A guarded is a handler with a request that it accepts.
type guarded struct {
	http.Handler
	header, value string // its credential
}

// token, key and cookie are bare behind httpauth, on a store in memory, and belong to one user. chi is
// bare behind go-chi/jwtauth, with a token of the same claims.
func guards(f *fixture) (token, key, cookie, chi guarded) {
	h := f.manager(f.onMemory(), auth.Config{})
	handler, err := httpauth.New(h.Manager, httpauth.Config{Logger: quiet})
	must(err)
	user := h.Register()
	ours := handler.Require()(bare)
	ja := jwtauth.New("HS256", peerKey, nil)
	return guarded{ours, "Authorization", "Bearer " + user.Token()},
		guarded{ours, "X-API-Key", user.APIKey()},
		guarded{handler.Browser(httpauth.BrowserConfig{}).Require()(bare), "Cookie", "theme=dark; __Host-auth=" + user.Token()},
		guarded{jwtauth.Verifier(ja)(jwtauth.Authenticator(ja)(bare)), "Authorization", "Bearer " + peerToken(auth.Secret(user.Token()))}
}

// session is bare behind alexedwards/scs, with a session in memory.
func session() guarded {
	sessions := scs.New()
	const name = "user"
	login := sessions.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), name, "somebody")
	}))
	w := httptest.NewRecorder()
	login.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	cookie := w.Result().Cookies()[0]
	return guarded{sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sessions.GetString(r.Context(), name) == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		bare(w, r)
	})), "Cookie", cookie.Name + "=" + cookie.Value}
}

// recorded serves one request again and again into an httptest.ResponseRecorder.
func (g guarded) recorded(name string) *subject {
	r := httptest.NewRequest(http.MethodGet, "/hello", nil)
	if g.header != "" {
		r.Header.Set(g.header, g.value)
	}
	return each(name, func() error {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return fmt.Errorf("%s: %d", name, w.Code)
		}
		return nil
	})
}

func middleware(f *fixture) []*subject {
	token, key, cookie, chi := guards(f)
	peers := chi.value[len("Bearer "):]
	ours := atMost(0.1).withAllocs(3)
	return []*subject{
		byGolangJWT("HS256", peerKey, peers),
		guarded{Handler: bare}.recorded(bareHandler),
		token.recorded(byToken).over(bareHandler).reaches(golangJWT, ours),
		cookie.recorded("access token in a cookie, memory").over(bareHandler).reaches(golangJWT, mark{}),
		key.recorded("API key, memory").over(bareHandler).reaches(golangJWT, ours),
		chi.recorded("go-chi/jwtauth").over(bareHandler).reaches(golangJWT, mark{}),
		session().recorded("alexedwards/scs, memory").over(bareHandler).reaches(golangJWT, mark{}),
	}
}

// served serves requests on a loopback port.
func (g guarded) served(f *fixture, name string) *subject {
	server := httptest.NewServer(g.Handler)
	f.Cleanup(server.Close)
	return asked(f, name, server.Listener.Addr().String(), g.request("/hello"))
}

// request returns the text of a request that g accepts.
func (g guarded) request(path string) string {
	text := "GET " + path + " HTTP/1.1\r\nHost: bench\r\n"
	if g.header != "" {
		text += g.header + ": " + g.value + "\r\n"
	}
	return text + "\r\n"
}

// asked sends one request again and again to a server, from 16 connections. Each of them
// sends its next request after the answer to the last one. The clients share the
// processors with the server, so they are as cheap as possible: they write bytes and read
// as many bytes as they expect.
func asked(f *fixture, name, address, request string) *subject {
	const connections = 16
	conns := make([]net.Conn, connections)
	answer := make([]byte, 4096)
	for i := range conns {
		var err error
		conns[i], err = net.Dial("tcp", address)
		must(err)
		f.Cleanup(func() { _ = conns[i].Close() })
		_, err = io.WriteString(conns[i], request)
		must(err)
		n, err := conns[i].Read(answer[:cap(answer)]) // an answer this small comes in one piece
		must(err)
		answer = answer[:n]
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		panic(name + ": " + string(answer))
	}
	return &subject{name: name, rate: true, sample: func() float64 {
		var clients sync.WaitGroup
		counts := make([]int, connections)
		began := time.Now()
		for i, c := range conns {
			clients.Go(func() {
				got := make([]byte, len(answer))
				for time.Since(began) < 3*sampleTime {
					_, err := io.WriteString(c, request)
					must(err)
					_, err = io.ReadFull(c, got)
					must(err)
					counts[i]++
				}
			})
		}
		clients.Wait()
		took, sum := time.Since(began), 0
		for _, n := range counts {
			sum += n
		}
		return float64(took) / float64(sum)
	}}
}

const byToken = "access token seen before, memory"

func middlewareOverHTTP(f *fixture) []*subject {
	token, key, cookie, chi := guards(f)
	return []*subject{
		guarded{Handler: bare}.served(f, bareHandler),
		token.served(f, byToken).reaches(bareHandler, fasterBy(0.85)),
		cookie.served(f, "access token in a cookie, memory").reaches(byToken, fasterBy(0.91)),
		key.served(f, "API key, memory").reaches(bareHandler, fasterBy(0.85)),
		chi.served(f, "go-chi/jwtauth").reaches(bareHandler, mark{}),
		session().served(f, "alexedwards/scs, memory").reaches(bareHandler, mark{}),
	}
}
