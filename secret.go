package auth

import (
	"fmt"
	"log/slog"
)

// A Secret is text that must not be seen: a password, a token, a key, a code. It
// prints, logs and marshals as "[secret]", whatever the verb or the encoder, also
// inside another value. (Package fmt does not ask it under %p and a misplaced %w,
// which go vet refuses.) To use what is in it, convert it: string(s).
type Secret string

const redacted = "[secret]"

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[secret]".
func (s Secret) String() string { return redacted }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json and most
// other encoders use. An answer that is meant to carry the secret says so with
// string(s).
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// inClosure returns key in a closure: package fmt prints the unexported fields of a
// host's struct without asking their Format, and follows every pointer but this.
func inClosure(key []byte) func() []byte { return func() []byte { return key } }

// SecretBytes are a [Secret] that is not text: a picture of one. Use []byte(s).
type SecretBytes []byte

// Format implements [fmt.Formatter] for every verb.
func (s SecretBytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[secret]".
func (s SecretBytes) String() string { return redacted }

// LogValue implements [slog.LogValuer].
func (s SecretBytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (s SecretBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
