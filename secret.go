package auth

import (
	"fmt"
	"log/slog"
)

// A Secret is text that must not be seen: a password, a token, a key or a code. It prints,
// logs and marshals as "[secret]", with every verb and encoder, also inside another value.
// (Package fmt prints the text with %p and a misplaced %w, which go vet reports.) To use the
// text, convert it: string(s).
type Secret string

const redacted = "[secret]"

// Format implements [fmt.Formatter]: it writes "[secret]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[secret]".
func (s Secret) String() string { return redacted }

// LogValue implements [slog.LogValuer]: it returns "[secret]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json and most other
// encoders use: it returns "[secret]". To send the text to a client, convert it: string(s).
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// inClosure returns key in a closure. Package fmt prints the unexported fields of a struct of
// your program without calling their Format. It follows pointers, but not a function's.
func inClosure(key []byte) func() []byte { return func() []byte { return key } }

// SecretBytes is a [Secret] that is not text, such as a picture of one. To use the bytes,
// convert it: []byte(s).
type SecretBytes []byte

// Format implements [fmt.Formatter]: it writes "[secret]" for every verb.
func (s SecretBytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[secret]".
func (s SecretBytes) String() string { return redacted }

// LogValue implements [slog.LogValuer]: it returns "[secret]".
func (s SecretBytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler]: it returns "[secret]".
func (s SecretBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
