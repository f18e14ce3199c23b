// Server is package auth as a program of its own. It serves the authentication API
// under /v1/auth/. It protects one resource, GET /v1/agents, with an access token or an
// API key.
//
//	go run ./examples/server
//	go run ./examples/server -addr 127.0.0.1:9000 -store bolt:/var/lib/auth/auth.db
//	go run ./examples/server -store redis://localhost
//	go run ./examples/server -store unix:///run/redis/redis.sock
//	go run ./examples/server -store 'redis-cluster://one:7000?addr=two:7000'
//	go run ./examples/server -store 'redis-sentinel://one:26379?master_name=auth'
//	go run ./examples/server -store 'postgres://localhost/auth'
//
// A URL with a password goes into a file, or into the environment variable AUTH_STORE. On
// the command line every user of the machine sees it in the list of processes:
//
//	go run ./examples/server -store-file /etc/auth/store
//
// Any number of these programs may share one Redis or one PostgreSQL. All need the same secret,
// which must not change later.
//
// The root secret, 32 random bytes or more as text, is in a file that -secret-file names, or
// in the environment variable AUTH_SECRET. Without both, the first start makes one, in a
// file next to the bolt file. For a Redis or a PostgreSQL that is auth.secret in the working
// directory. Line breaks at its end are not part of it. The program speaks plain HTTP: on a network, put TLS
// in front of it. docs/deploy.md has it on Kubernetes, systemd and Docker.
//
// On a loopback address each mail is one line of JSON on the standard output, with its token. On
// any other there is no mail, unless -mail names a server:
//
//	go run ./examples/server -addr :8080 -url https://auth.example.com -mail 'smtp://app@smtp.example.com?from=no-reply@example.com'
//
// The password is in the environment variable AUTH_SMTP_PASSWORD. The links lead to pages below
// -url: /verify-email, /reset-password, /confirm-email and /invitation. Each finds the token
// in its fragment and sends it by POST.
//
// The pages of package pages are at /sign-in, /account and so on. The page at / says where everything
// is, and the log has its address as "open". The API reference at /docs is there to read and to try.
//
// Users stay signed in for 14 days after the last visit. The session ends 30 days after the login, or 24
// hours after a login with a second factor. For computers that people share, -refresh-after-expiry 0
// asks for the password after an hour away.
//
// Operators administer the service on a Unix socket, which only the user of this program can use:
//
//	curl --unix-socket auth.sock http://localhost/users
//
// The user at the other end is the actor of the events. With -admin 127.0.0.1:9001 it is a port, and
// whoever has AUTH_ADMIN_TOKEN, 32 bytes or more, sends it as a Bearer.
//
// GET /livez and /healthz answer 200 as long as the process serves. GET /readyz answers 503
// if the store does not answer, and after the signal to stop.
//
// It exits with 0 after SIGTERM or SIGINT, 1 if it cannot do what it was asked, and 2
// if it does not understand the command line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/secretfile"
)

func main() {
	logging.Disable() // the Redis client's log: what matters is also returned as an error
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	env := environment{
		secret: auth.Secret(os.Getenv("AUTH_SECRET")), store: auth.Secret(os.Getenv("AUTH_STORE")), smtp: auth.Secret(os.Getenv("AUTH_SMTP_PASSWORD")),
		adminToken: auth.Secret(os.Getenv("AUTH_ADMIN_TOKEN")),
	}
	os.Exit(run(ctx, os.Args[1:], env, os.Stdout, os.Stderr))
}

// lockWait is how long a start waits for the process before it, if nothing says otherwise.
// That one may take drainTime for its requests, and as long for its events.
const lockWait = 20 * time.Second

// staySignedIn is how long a user of the pages may be away, beyond the hour of a token, if nothing says
// otherwise. Without it, lunch would end in front of the form for the password.
const staySignedIn = 14 * 24 * time.Hour

// The environment has what must not be on the command line; "" is none.
type environment struct{ secret, store, smtp, adminToken auth.Secret }

type options struct {
	addr             string
	url              string
	store            openstore.Flags
	secretFile       *string
	insecureFileMode bool
	proxies          string
	mail             *string
	confirmEmail     bool
	refreshLate      time.Duration
	admin            *string
	env              environment
}

// flags returns the command line, which sets o.
func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; port 0 picks a free one")
	flags.StringVar(&o.url, "url", "", "public address, such as `https://example.com`, for links in mails and for the OpenAPI document (default http://ADDR; without a host in -addr, the document names the path that it was asked for)")
	o.store.Add(flags, "where records are kept: `memory|bolt:PATH|URL`, the URL of a Redis or a PostgreSQL: "+openstore.URLs+" (default AUTH_STORE of the environment, or "+openstore.DefaultStore+")")
	flags.DurationVar(&o.store.LockWait, "lock-wait", lockWait, "how long to wait for another process to close the bolt file")
	flags.Func("secret-file", "`file` with the root secret; its mode is 0600 (default AUTH_SECRET of the environment, or a file that the first start makes)", set(&o.secretFile))
	flags.BoolVar(&o.insecureFileMode, "insecure-file-mode", false, "accept files with records and secrets that other users may read or write")
	flags.StringVar(&o.proxies, "trusted-proxies", "", "networks whose X-Forwarded-For is believed, as `CIDR,CIDR`; none if empty")
	flags.Func("mail", "who sends mails: `log|none|URL`, the URL of a server: smtp://USER@HOST:PORT?from=ADDRESS, with its password in AUTH_SMTP_PASSWORD (default log on a loopback -addr, else none)", set(&o.mail))
	flags.BoolVar(&o.confirmEmail, "confirm-email", false, "change an email only after the mail that goes to the new one was confirmed")
	flags.DurationVar(&o.refreshLate, "refresh-after-expiry", staySignedIn, "how long after its expiry, an hour after it was made, a token can still be refreshed, 0 to 9600h; 0 means that a pause of an hour ends a session")
	flags.Func("admin", "where operators administer: `unix:PATH|HOST:PORT|none`; a socket has mode 0600, and HOST:PORT needs 32 bytes in AUTH_ADMIN_TOKEN (default "+defaultAdmin+")", set(&o.admin))
	return flags
}

// run is main, with everything that it depends on as an argument.
func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) (exit int) {
	o := options{env: env}
	flags := o.flags()
	flags.SetOutput(stderr)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintln(stderr, "server: takes flags only") // the argument is not repeated: it may be a URL with a password
		return 2
	}
	if err := serve(ctx, o, stdout, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	return 0
}

// set returns what keeps the value of a flag. A flag without a value is not one that was not
// given: -store "$STORE" must not mean the default where STORE is not set.
func set(flag **string) func(string) error {
	return func(value string) error { *flag = &value; return nil }
}

// serve opens all parts, serves until ctx is done, and closes the parts in reverse
// order.
func serve(ctx context.Context, o options, stdout io.Writer, log *slog.Logger) (err error) {
	proxies, err := parseProxies(o.proxies)
	if err != nil {
		return err
	}
	admin, err := parseAdmin(o.admin, o.env.adminToken)
	if err != nil {
		return err
	}
	rules := secretfile.Rules{Insecure: o.insecureFileMode, Logger: log}
	place, err := o.store.Place(string(o.env.store), rules, log)
	if err != nil {
		return err
	}
	secret, err := openstore.Given(o.secretFile, string(o.env.secret), rules)
	if err != nil {
		return err
	}
	whereSecret, firstStart := place.FirstSecret(secret)
	if o.secretFile != nil {
		whereSecret = *o.secretFile
	}
	roots, err := place.Secrets(secret)
	if err != nil {
		return err
	}
	records, err := place.OpenOrCreate(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	if err := openstore.RefuseUnfinished(ctx, records); err != nil {
		return err
	}
	if roots == nil {
		if roots, err = openstore.SharedSecret(ctx, records, secret, openstore.SharedSecretFile, rules); err != nil {
			return err
		}
	}

	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // for what fails before it serves
	at := listener.Addr().(*net.TCPAddr)
	public := strings.TrimRight(o.url, "/")
	if public == "" && !at.IP.IsUnspecified() {
		public = "http://" + at.String()
	}
	mails, notifier, err := mailer(o.mail, at.IP.IsLoopback(), public, o.env.smtp, stdout)
	if err != nil {
		return err
	}
	manager, err := auth.New(records, auth.Config{
		Secrets: secrets(roots), Mailer: mails, Notifier: notifier, ConfirmEmailChange: o.confirmEmail, Events: auth.LogEvents(log), Logger: log,
		TrustedDevices: auth.DeviceTrust{TTL: 30 * 24 * time.Hour}, RefreshAfterExpiry: o.refreshLate,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()

	web := httpauth.Config{TrustedProxies: proxies, Logger: log}
	base := "http://" + at.String() + mount
	if public != "" {
		base = public + mount
		web.URL = base
	}
	handler, err := httpauth.New(manager, web)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	administered, err := admin.serve(running, manager, handler, o.env.adminToken, log)
	if err != nil {
		return err
	}
	defer func() { stop(); administered() }() // before the Manager closes
	first := front{API: base, Mail: mailKind(mails)}
	if at.IP.IsLoopback() && o.url == "" {
		first = first.ofThisMachine(place, whereSecret, admin)
	}
	log.Info("listening", "addr", listener.Addr().String(), "store", place.Kind, "url", base, "open", strings.TrimSuffix(base, mount)+"/")
	if firstStart {
		log.Info("first start", "register", "POST "+base+"/register", "document", base+"/openapi.json", "secret", whereSecret,
			"next", "keep the secret with every backup of the store: without it no token and no second factor works")
	}
	served, err := routes(handler, readiness(ctx, manager), first)
	if err != nil {
		return err
	}
	return serveUntil(ctx, newServer(served, log), listener)
}

// secrets gives each root secret the type that no log prints.
func secrets(roots []string) (all []auth.Secret) {
	for _, root := range roots {
		all = append(all, auth.Secret(root))
	}
	return all
}

// readiness returns the readiness of the program: the store answers, and no signal to stop has
// come.
func readiness(ctx context.Context, m *auth.Manager) func(context.Context) error {
	return func(request context.Context) error {
		if ctx.Err() != nil {
			return auth.ErrClosed
		}
		return m.Ready(request)
	}
}
