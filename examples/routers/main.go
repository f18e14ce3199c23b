// Routers mounts package httpauth on five routers and guards the same routes on each:
// http.ServeMux, chi, gin, echo v5 and echo v4.
//
//	go run . -router gin
//
// It keeps everything in memory, and prints the credentials of a user to try it with.
// docs/routers.md explains each file.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
)

// routers has the function that builds each router, by the name of the flag.
var routers = map[string]func(*httpauth.Handler) http.Handler{
	"servemux": newServeMux,
	"chi":      newChi,
	"gin":      newGin,
	"echo":     newEcho,
	"echov4":   newEchoV4,
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(routers)), "|")
	name := flag.String("router", "servemux", "the router to run: `"+names+"`")
	flag.Parse()
	newRouter, ok := routers[*name]
	if !ok || flag.NArg() > 0 {
		log.Fatalf("usage: routers -router %s", names)
	}
	gin.SetMode(gin.ReleaseMode)

	// A real program reads its secret from where it keeps secrets. A new secret at every
	// start ends every session.
	manager, err := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{auth.Secret(rand.Text() + rand.Text())}})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := httpauth.New(manager, httpauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := introduce(manager); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              "127.0.0.1:8082",
		Handler:           newRouter(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

// introduce makes a user and prints how to call the routes as that user.
func introduce(m *auth.Manager) error {
	ctx := context.Background()
	password := auth.Secret(rand.Text())
	user, err := m.Register(ctx, auth.Registration{Email: "ada@example.com", Password: password, FullName: "Ada"})
	if err != nil {
		return err
	}
	login, err := m.Login(ctx, user.Email, password)
	if err != nil {
		return err
	}
	fmt.Printf("TOKEN=%s\n", string(login.AccessToken.Token))
	for _, path := range []string{"/v1/auth/me", "/whoami", "/admin/members", "/organizations/" + user.OrganizationID + "/reports"} {
		fmt.Printf("curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8082%s\n", path)
	}
	return nil
}
