package seal

import (
	"encoding/binary"
	"errors"
)

// Errors of Open. Neither contains any part of what was sealed.
var (
	// ErrOpen reports that these bytes were not sealed under this label and aad. They
	// were altered, cut, moved, or never sealed.
	ErrOpen = errors.New("seal: cannot open")

	// ErrUnknownKey reports that no root secret of the Keyring has the id in the bytes.
	// Its secret was removed too early, or the bytes are from elsewhere.
	ErrUnknownKey = errors.New("seal: unknown key id")
)

// Sealed bytes are a header, 12 bytes of nonce, the ciphertext and 16 bytes of
// tag. The header is a version and the id of the root secret.
const (
	version   = 1
	headerLen = 1 + idLen
)

// overhead is how many bytes Seal adds to a plaintext.
const overhead = headerLen + 12 + 16

// Seal encrypts and authenticates plaintext under the current root secret (AES-256-GCM,
// random nonce of 96 bits). The result opens only with the same label and aad. The
// label names the purpose. The aad names the owner, so that no record can be passed off
// as another's. Neither is stored. The length of plaintext is not hidden.
//
// One root secret seals at most 2³² times (NIST SP 800-38D, section 8.3), which is
// beyond any number of enrolments.
func (k *Keyring) Seal(label string, plaintext, aad []byte) []byte {
	r := k.roots[0]
	sealed := make([]byte, 0, len(plaintext)+overhead)
	sealed = append(sealed, version)
	sealed = append(sealed, r.id[:]...)
	return r.aead.Seal(sealed, nil, plaintext, bind(sealed, label, aad))
}

// Open returns what Seal was given, in its own memory. Current is false if it was
// sealed under an older root secret: the caller then seals it again, so that the older
// one can be removed some day. The error is [ErrOpen] or [ErrUnknownKey]. No input
// makes Open panic.
func (k *Keyring) Open(label string, sealed, aad []byte) (plaintext []byte, current bool, err error) {
	if len(sealed) < overhead || sealed[0] != version {
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

// bind joins what is authenticated but not part of the ciphertext. The length before
// label separates its end from the beginning of aad.
func bind(header []byte, label string, aad []byte) []byte {
	b := make([]byte, 0, len(header)+binary.MaxVarintLen64+len(label)+len(aad))
	b = append(b, header...)
	b = binary.AppendUvarint(b, uint64(len(label)))
	b = append(b, label...)
	return append(b, aad...)
}
