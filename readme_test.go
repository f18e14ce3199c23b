package auth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fragment is what the README's pieces of code may take for granted.
const fragment = `package readme

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
	"github.com/datixlab/auth/store/storetest"
)

var (
	_ = errors.Is
	_ = slog.Default
	_ = authtest.New
	_ = memstore.New
	_ = redisstore.OpenOrCreate
	_ = storetest.Run
	_ time.Time

	t                                *testing.T
	ctx                              context.Context
	manager                          *auth.Manager
	handler                          *httpauth.Handler
	mux                              *http.ServeMux
	request                          *http.Request
	reports, billing, wipe, ingest   http.Handler
	secrets                          []auth.Secret
	newSecret, oldSecret             auth.Secret
	email, password, code, agent     string
	token, userID                    string
	document                         []byte
	privateKey                       crypto.Signer
	nextKey                          crypto.PublicKey
	address                          netip.Addr
)
`

const inFunction = `
func piece() any {
	%s
	return nil
}
`

// The README's Go code compiles: each block is a program, a declaration, or a piece
// of a function.
func TestTheCodeInTheReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) < 8 {
		t.Fatalf("%d blocks of Go in the README: the test no longer finds them", len(blocks))
	}
	for i, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		switch {
		case strings.HasPrefix(code, "package "):
		case strings.HasPrefix(code, "func "), strings.HasPrefix(code, "type "):
			code = fragment + code
		default:
			uses := ""
			for _, name := range []string{"cfg", "db", "result", "handler", "claims"} {
				if strings.Contains(code, name+" := ") || strings.Contains(code, name+", err := ") {
					uses += "\n_ = " + name
				}
			}
			if strings.Contains(code, "err := ") {
				uses += "\n_ = err"
			}
			code = fragment + fmt.Sprintf(inFunction, code+uses)
		}
		file := filepath.Join(dir, fmt.Sprintf("block%d.go", i))
		if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, "internal", "readme", fmt.Sprintf("block%d", i), "block.go")] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, list, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-overlay", overlayFile, "-o", os.DevNull}
	for i := range blocks {
		args = append(args, fmt.Sprintf("./internal/readme/block%d", i))
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("the README's code does not compile: %v\n%s", err, out)
	}
}
