// Mail sends every mail and notice of smtpmail through Postfix, which is told to refuse what is
// not as the standards say, and has Python read what it delivers.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/interop/trial"
	"github.com/datixlab/auth/smtpmail"
)

// mainCF is the configuration of Postfix. DIR is its directory.
const mainCF = `compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = relay.example
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
maillog_file = DIR/data/log
maillog_file_prefixes = DIR
virtual_mailbox_domains = example.com
virtual_mailbox_base = DIR/box
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = DIR/certificate.pem
smtpd_forbid_bare_newline = yes
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender
smtpd_recipient_restrictions = reject_non_fqdn_recipient, reject_unauth_destination
strict_rfc821_envelopes = yes
strict_7bit_headers = yes
strict_8bitmime = yes
strict_mime_encoding_domain = yes
`

// masterCF has its services. STARTTLS and IMPLICIT are the ports.
const masterCF = `STARTTLS inet n - n - - smtpd
IMPLICIT inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// reader prints a message as JSON, and fails for a defect.
const reader = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.strict)
text, html = m.iter_parts()
print(json.dumps({"to": [a.addr_spec for a in m["To"].addresses], "from": str(m["From"]), "subject": m["Subject"],
	"kinds": [text.get_content_type(), html.get_content_type()], "text": text.get_content(), "html": html.get_content()}))`

// message is what the reader prints.
type message struct {
	To, Kinds                 []string
	From, Subject, Text, HTML string
}

const (
	link    = "https://app.example/page#token={token}"
	service = "Bücher & Söhne"
)

var (
	links = map[auth.MailPurpose]string{
		auth.MailResetPassword: link, auth.MailVerifyEmail: link, auth.MailChangeEmail: link, auth.MailInvitation: link,
	}
	notices = []auth.EventType{
		auth.EventPasswordChanged, auth.EventPasswordReset, auth.EventEmailChangeRequested, auth.EventEmailChanged,
		auth.EventTwoFactorEnabled, auth.EventTwoFactorDisabled, auth.EventTwoFactorReset, auth.EventBackupCodeUsed,
		auth.EventBackupCodesReplaced, auth.EventAPIKeyCreated, auth.EventLoginNewNetwork, auth.EventSecondFactorFailed,
	}
	addresses = []string{"alice@example.com", "a..b@example.com", "o'neill+x/y=z@example.com", "UPPER@Example.COM"}
)

func main() { trial.Main(run) }

func run(ctx context.Context) (err error) {
	if trial.Missing(ctx, "Postfix", "postfix", "postconf", "-d", "mail_version") || os.Getuid() != 0 {
		fmt.Println(trial.NotInstalled + "Postfix as root")
		os.Exit(77)
	}
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ports, roots, err := prepare(dir)
	if err != nil {
		return err
	}
	if _, err := trial.Run(ctx, "", "postfix", "-c", dir, "start"); err != nil {
		return err
	}
	defer func() {
		_, stopped := trial.Run(context.WithoutCancel(ctx), "", "postfix", "-c", dir, "stop")
		err = errors.Join(err, stopped)
	}()
	total := 0
	for i, port := range ports {
		m, err := smtpmail.New(smtpmail.Config{
			Host: "127.0.0.1", Port: port, ImplicitTLS: i == 1, RootCAs: roots, From: "no-reply@app.example", FromName: service, Links: links,
		})
		if err != nil {
			return err
		}
		sent, err := sendAll(ctx, m)
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "data", "log"))
			return fmt.Errorf("%w\n%s", err, log)
		}
		total += sent
	}
	return readAll(ctx, filepath.Join(dir, "box", "inbox", "new"), total)
}

// prepare writes what Postfix needs, and returns its ports and its authority.
func prepare(dir string) (ports []int, roots *x509.CertPool, err error) {
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		defer l.Close() //nolint:errcheck // it only finds a port
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		return nil, nil, err
	}
	postfix, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return nil, nil, err
	}
	chain, roots, err := certificate()
	if err != nil {
		return nil, nil, err
	}
	return ports, roots, errors.Join(
		os.Chmod(dir, 0o755),                         // #nosec G302 -- its daemons are other users
		os.Mkdir(filepath.Join(dir, "queue"), 0o755), // #nosec G301 -- as above
		os.Mkdir(filepath.Join(dir, "data"), 0o700),
		os.Chown(filepath.Join(dir, "data"), postfix, -1),
		os.Mkdir(filepath.Join(dir, "box"), 0o700),
		os.Chown(filepath.Join(dir, "box"), 65534, 65534),
		os.WriteFile(filepath.Join(dir, "certificate.pem"), chain, 0o600),
		os.WriteFile(filepath.Join(dir, "main.cf"), []byte(strings.ReplaceAll(mainCF, "DIR", dir)), 0o600),
		os.WriteFile(filepath.Join(dir, "master.cf"), []byte(strings.NewReplacer(
			"STARTTLS", strconv.Itoa(ports[0]), "IMPLICIT", strconv.Itoa(ports[1])).Replace(masterCF)), 0o600),
	)
}

// certificate makes a key and a certificate for the loopback.
func certificate() (chain []byte, roots *x509.CertPool, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(public)
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), public...), roots, nil
}

// sendAll sends every mail and notice, and one to every address.
func sendAll(ctx context.Context, m *smtpmail.Mailer) (sent int, err error) {
	client := auth.Client{Addr: netip.MustParseAddr("203.0.113.77"), UserAgent: "curl/8.5.0"}
	notify := func(to string, typ auth.EventType) error {
		sent++
		return m.Notify(ctx, auth.Notice{Type: typ, To: to, Name: "Zoë Ünal", Time: time.Now(), Client: client, APIKeys: 2})
	}
	for purpose := range links {
		sent++
		mail := auth.Mail{Purpose: purpose, To: addresses[0], Name: "Zoë Ünal", Token: "rst_0123456789", ExpiresAt: time.Now().Add(time.Hour), Client: client}
		if err := m.Send(ctx, mail); err != nil {
			return sent, fmt.Errorf("%s: %w", purpose, err)
		}
	}
	for _, typ := range notices {
		if err := notify(addresses[0], typ); err != nil {
			return sent, fmt.Errorf("%s: %w", typ, err)
		}
	}
	for _, to := range addresses {
		if err := notify(to, auth.EventPasswordChanged); err != nil {
			return sent, fmt.Errorf("to %s: %w", to, err)
		}
	}
	err = notify("alice@elsewhere.example", auth.EventPasswordChanged)
	if reply := (*smtpmail.ReplyError)(nil); !errors.As(err, &reply) || reply.Command != "RCPT" || reply.Temporary() {
		return sent, fmt.Errorf("a recipient that Postfix does not relay to: %w", err)
	}
	return sent - 1, nil
}

// readAll waits for the messages and has each read.
func readAll(ctx context.Context, box string, want int) error {
	var files []string
	for range 200 {
		files, _ = filepath.Glob(filepath.Join(box, "*"))
		if len(files) == want {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if len(files) != want {
		return fmt.Errorf("%d of %d messages were delivered", len(files), want)
	}
	seen := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		out, err := trial.Run(ctx, string(raw), "/usr/bin/python3", "-c", reader)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, raw)
		}
		var m message
		if err := json.Unmarshal([]byte(out), &m); err != nil {
			return err
		}
		linked := strings.Contains(m.Text, "#token=rst_0123456789\n") && strings.Contains(m.HTML, `#token=rst_0123456789"`)
		notice := strings.Contains(m.Text, "Hello Zoë Ünal,") && !strings.Contains(m.Text, "http")
		if len(m.To) != 1 || m.From != service+" <no-reply@app.example>" || strings.Join(m.Kinds, " ") != "text/plain text/html" || !linked && !notice {
			return fmt.Errorf("a message arrived as\n%s", raw)
		}
		seen[m.To[0]] = true
	}
	for _, to := range addresses {
		if !seen[to] && !seen[strings.Replace(to, "a..b", `"a..b"`, 1)] {
			return fmt.Errorf("nothing arrived for %s", to)
		}
	}
	fmt.Printf("Postfix delivered %d messages to %d addresses\n", want, len(seen))
	return nil
}
