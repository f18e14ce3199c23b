package jose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/datixlab/auth/internal/ident"
)

// A Format is how the payloads of one issuer, audience and client are written. It does not
// change, and any number of goroutines may use it.
type Format struct {
	issuer, audience string // as they are read
	subject, session string // prefixes of the ids
	start            string // base64url of the beginning, up to the last whole group of 3 bytes
	rest             string // what follows in the last group, and the subject's prefix
	beforeSession    string // what is between subject and session, and the session's prefix
}

// NewFormat returns the format of an issuer, an audience and a client. A subject is the prefix
// subject and a timed identifier; a session is the prefix session and a random one. Both
// prefixes are not empty and need no escape in JSON.
func NewFormat(issuer, audience, client, subject, session string) *Format {
	text := marshal(Claims{Issuer: issuer, Audience: audience, ClientID: client, Subject: subject})
	var read Claims // text that is not UTF-8 is not read as it was written
	if err := json.Unmarshal(text, &read); err != nil {
		panic(err) // what was marshalled is JSON
	}
	end := bytes.LastIndex(text, []byte(subject)) + len(subject)
	whole := (end - len(subject)) / 3 * 3
	return &Format{
		issuer: read.Issuer, audience: read.Audience, subject: subject, session: session,
		start: base64.RawURLEncoding.EncodeToString(text[:whole]), rest: string(text[whole:end]),
		beforeSession: `","sid":"` + session,
	}
}

// validIDs reports whether a subject, a session and a token's own id are written as in f.
func validIDs[text string | []byte](f *Format, subject, session, id text) bool {
	return ident.Is(subject, f.subject, ident.TimedLen) && ident.Is(session, f.session, ident.RandomLen) && ident.IsBase62(id, ident.RandomLen)
}

// Parsed has the claims that a check needs. The zero value is empty. It can be used again:
// its ids are in memory of its own, which the next token overwrites.
type Parsed struct {
	Issuer, Audience     string
	Subject, Session, ID []byte
	WellFormed           bool // the three ids are written as the format says
	Validity
	buf []byte
}

// Reset empties p but keeps its memory.
func (p *Parsed) Reset() { *p = Parsed{buf: p.buf[:0]} }

// SetIDs copies ids into p.
func (p *Parsed) SetIDs(subject, session, id string) {
	b := append(append(append(p.buf[:0], subject...), session...), id...)
	p.Subject, p.Session, p.ID = b[:len(subject)], b[len(subject):len(b)-len(id)], b[len(b)-len(id):]
	p.buf = b
}

// scan reads the claims from a payload that is written as [Signer.Token] writes it, without
// the start of f. It returns false for any other payload, which may have the same meaning.
// It only saves time. The signature is verified before, so a Signer wrote the payload.
func (p *Parsed) scan(payload []byte, f *Format) bool {
	r := payloadReader{rest: payload, ok: true}
	r.expect(f.rest)
	p.Issuer, p.Audience = f.issuer, f.audience
	p.Subject = r.id(payload, f.subject, ident.TimedLen)
	r.expect(f.beforeSession)
	p.Session = r.id(payload, f.session, ident.RandomLen)
	r.expect(`","jti":"`)
	p.ID = r.id(payload, "", ident.RandomLen)
	r.expect(`","iat":`)
	p.Issued = r.number()
	if r.accept(`,"nbf":`) {
		p.From = r.number()
	}
	r.expect(`,"exp":`)
	p.Expires = r.number()
	r.expect(`,"auth_time":`)
	r.number()
	r.expect(`,"amr":["`)
	r.skipUnescaped()
	for r.accept(`","`) {
		r.skipUnescaped()
	}
	r.expect(`"],"org":"`)
	r.skipUnescaped()
	r.expect(`","role":"`)
	r.skipUnescaped()
	p.WellFormed = r.ok
	return r.ok && (string(r.rest) == `"}` || string(r.rest) == `","enrollment_only":true}`)
}

// A payloadReader reads a payload from front to back. Its ok becomes false when the payload
// is not as the calls expect it.
type payloadReader struct {
	rest []byte
	ok   bool
}

// expect reads text, which must come next.
func (r *payloadReader) expect(text string) {
	if !r.accept(text) {
		r.ok = false
	}
}

// accept reads text if it comes next, and reports whether it does.
func (r *payloadReader) accept(text string) bool {
	if len(r.rest) < len(text) || string(r.rest[:len(text)]) != text {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

// id reads n digits of base62 and returns the part of payload with them and with the
// prefix, which was read before.
func (r *payloadReader) id(payload []byte, prefix string, n int) []byte {
	if !r.ok || len(r.rest) < n || !ident.IsBase62(r.rest[:n], n) {
		r.ok = false
		return nil
	}
	at := len(payload) - len(r.rest)
	r.rest = r.rest[n:]
	return payload[at-len(prefix) : at+n]
}

// skipUnescaped reads the characters of a string up to its end or to the first escape.
func (r *payloadReader) skipUnescaped() {
	n := 0
	for n < len(r.rest) && unescaped[r.rest[n]] {
		n++
	}
	r.rest = r.rest[n:]
}

// unescaped is true for the characters that stand for themselves in a JSON string.
var unescaped = func() (set [256]bool) {
	for c := ' '; c <= '~'; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// number reads a whole number of up to 18 digits.
func (r *payloadReader) number() (n int64) {
	digits := 0
	for _, c := range r.rest[:min(len(r.rest), 19)] {
		if c -= '0'; c > 9 {
			break
		}
		n = n*10 + int64(c)
		digits++
	}
	if digits == 0 || digits > 18 || r.rest[0] == '0' && digits > 1 {
		r.ok = false
	}
	r.rest = r.rest[digits:]
	return n
}
