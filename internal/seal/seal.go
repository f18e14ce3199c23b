package seal

import (
	"encoding/binary"
	"errors"
)

// Errors of Open. Neither holds any part of what was sealed.
var (
	// ErrOpen reports that the bytes were not sealed as they are now under this
	// label and aad: they were altered, cut, moved, or never sealed.
	ErrOpen = errors.New("seal: cannot open")

	// ErrUnknownKey reports that no root secret of the Keyring has the id that
	// the bytes name: its secret was removed too early, or the bytes are from
	// elsewhere.
	ErrUnknownKey = errors.New("seal: unknown key id")
)

// Sealed bytes are a header, 12 bytes of nonce, the ciphertext and 16 bytes of
// tag. The header is a version and the id of the root secret.
const (
	version   = 1
	headerLen = 1 + idLen
)

// Overhead is how many bytes Seal adds to a plaintext.
const Overhead = headerLen + 12 + 16

// Seal encrypts and authenticates plaintext under the current root secret
// (AES-256-GCM, random nonce of 96 bits). The result opens only with the same
// label, which names the purpose, and the same aad, which the caller makes to
// name the owner, so that no record can be passed off as another's. Neither is
// stored. The length of plaintext is not hidden.
//
// One root secret seals at most 2³² times (NIST SP 800-38D, section 8.3), which
// is beyond any number of enrolments.
func (k *Keyring) Seal(label string, plaintext, aad []byte) []byte {
	r := k.roots[0]
	sealed := make([]byte, 0, len(plaintext)+Overhead)
	sealed = append(sealed, version)
	sealed = append(sealed, r.id[:]...)
	return r.aead.Seal(sealed, nil, plaintext, bind(sealed, label, aad))
}

// Open returns what Seal was given, in memory of its own. Current is false if it
// was sealed under an older root secret: the caller seals it again, so that the
// older one can be retired some day. The error is [ErrOpen] or [ErrUnknownKey];
// no input makes Open panic.
func (k *Keyring) Open(label string, sealed, aad []byte) (plaintext []byte, current bool, err error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, false, ErrOpen
	}
	header, body := sealed[:headerLen], sealed[headerLen:]
	r := k.find(header[1:])
	if r == nil {
		return nil, false, ErrUnknownKey
	}
	plaintext, err = r.aead.Open(nil, nil, body, bind(header, label, aad))
	if err != nil {
		return nil, false, ErrOpen
	}
	return plaintext, r == k.roots[0], nil
}

// bind joins what is authenticated but not stored in the ciphertext. The length
// before label keeps its end apart from the beginning of aad.
func bind(header []byte, label string, aad []byte) []byte {
	b := make([]byte, 0, len(header)+binary.MaxVarintLen64+len(label)+len(aad))
	b = append(b, header...)
	b = binary.AppendUvarint(b, uint64(len(label)))
	b = append(b, label...)
	return append(b, aad...)
}
