// Totp has programs that nobody of this project wrote read the QR code of a second factor
// and show its codes: each turns the second factor of a user on, and logs in with it.
// It needs AUTH_URL.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/datixlab/auth/interop/trial"
)

// A program is one that reads a QR code or shows codes.
type program struct {
	name, debian string
	needs, runs  []string // runs gets the picture, or the text of the QR code, as its input
}

// readers print the text of a QR code.
var readers = []program{
	{name: "zbarimg", debian: "zbar-tools", needs: []string{"zbarimg", "--version"},
		runs: []string{"zbarimg", "--quiet", "--raw", "--nodbus", "-"}},
	{name: "jsQR", debian: "nodejs npm", needs: []string{"node", "--version"}, runs: inNode(`
		import { readFileSync } from "node:fs";
		import { PNG } from "pngjs";
		import jsQR from "jsqr";
		const picture = PNG.sync.read(readFileSync(0));
		console.log(jsQR.default(new Uint8ClampedArray(picture.data), picture.width, picture.height).data);`)},
}

// shows print the code of the moment.
var shows = []program{
	{name: "oathtool", debian: "oathtool", needs: []string{"oathtool", "--version"},
		runs: []string{"sh", "-c", `sed 's/.*secret=\([A-Z2-7]*\).*/\1/' | oathtool --totp --base32 -`}},
	{name: "pyotp", debian: "python3-pyotp", needs: []string{"/usr/bin/python3", "-c", "import pyotp"},
		runs: []string{"/usr/bin/python3", "-c", "import pyotp; print(pyotp.parse_uri(input()).now())"}},
	{name: "otpauth", debian: "nodejs npm", needs: []string{"node", "--version"}, runs: inNode(`
		import { readFileSync } from "node:fs";
		import { URI } from "otpauth";
		console.log(URI.parse(readFileSync(0, "utf8").trim()).generate());`)},
	{name: "otplib", debian: "nodejs npm", needs: []string{"node", "--version"}, runs: inNode(`
		import { readFileSync } from "node:fs";
		import { generate } from "otplib";
		const parameters = new URL(readFileSync(0, "utf8").trim()).searchParams;
		console.log(await generate({ secret: parameters.get("secret") }));`)},
	{name: "speakeasy", debian: "nodejs npm", needs: []string{"node", "--version"}, runs: inNode(`
		import { readFileSync } from "node:fs";
		import speakeasy from "speakeasy";
		const parameters = new URL(readFileSync(0, "utf8").trim()).searchParams;
		console.log(speakeasy.totp({ secret: parameters.get("secret"), encoding: "base32" }));`)},
}

func inNode(code string) []string {
	return []string{"node", "--input-type=module", "--eval", code}
}

func main() { trial.Main(run) }

func run(ctx context.Context) (failed error) {
	if err := os.Chdir("node"); err != nil { // where the packages are
		return err
	}
	client := trial.Client{Base: os.Getenv("AUTH_URL"), HTTP: http.DefaultClient}
	var read []program
	for _, p := range readers {
		if !trial.Missing(ctx, p.name, p.debian, p.needs...) {
			read = append(read, p)
		}
	}
	for _, p := range shows {
		if trial.Missing(ctx, p.name, p.debian, p.needs...) {
			continue
		}
		if err := try(ctx, client, p, read); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.name, err))
		} else {
			fmt.Println(p.name, "ok")
		}
	}
	return failed
}

// try turns the second factor of a new user on with the codes that a program shows.
func try(ctx context.Context, client trial.Client, p program, readers []program) error {
	email, err := client.Register(ctx, "totp")
	if err != nil {
		return err
	}
	token, err := client.Login(ctx, email)
	if err != nil {
		return err
	}
	enrollment, err := client.Call(ctx, http.StatusOK, "POST", "/enable-2fa", token, nil)
	if err != nil {
		return err
	}
	text := "otpauth://totp/x?secret=" + enrollment.Text("secret")
	encoded, isPicture := strings.CutPrefix(enrollment.Text("qr_code"), "data:image/png;base64,")
	picture, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !isPicture || !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		return fmt.Errorf("qr_code is no picture: %w", err)
	}
	for i, reader := range readers {
		is, err := trial.Run(ctx, string(picture), reader.runs...)
		if err != nil {
			return err
		}
		is = strings.TrimSpace(is)
		if !strings.Contains(is, "secret="+enrollment.Text("secret")+"&") || i > 0 && is != text {
			return fmt.Errorf("%s reads %q", reader.name, is)
		}
		text = is
	}
	if given := enrollment.Text("otpauth_url"); given != "" && len(readers) > 0 && given != text {
		return fmt.Errorf("otpauth_url is %q, and the QR code has %q", given, text)
	}
	shown, err := trial.Run(ctx, text+"\n", p.runs...)
	if err != nil {
		return err
	}
	code := strings.TrimSpace(shown)
	if _, err := client.Call(ctx, http.StatusOK, "POST", "/confirm-2fa", token, trial.Object{"code": code}); err != nil {
		return err
	}
	half, err := client.Call(ctx, http.StatusOK, "POST", "/login", "", trial.Object{"email": email, "password": trial.Password})
	if err != nil {
		return err
	}
	// A code opens once: the same code again is refused.
	_, err = client.Call(ctx, http.StatusUnauthorized, "POST", "/verify-2fa", "", trial.Object{"temp_token": half.Text("temp_token"), "code": code})
	return err
}
