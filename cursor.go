package auth

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/store"
)

// A cursor says where the next page of a list begins. It is sealed, so clients read nothing in
// it and cannot make one. What names the list (its kind, an organization, a filter) is sealed
// with it, so the cursor of one list opens no other.
//
// There are two kinds of places. One that the library chose, such as the last id of a page, is
// good for as long as the secret is in Config.Secrets. One of the store's Walker is valid in one
// open store only, so its cursor is good in the Manager that made it.
type cursors struct {
	keys *seal.Keyring // of their own: a client can have any number of cursors sealed
	walk string        // of this Manager: the part of a cursor that differs in every other one
}

// maxCursor is how many characters a cursor has at most. A place has a key or two.
const maxCursor = 2048

func newCursors(keys *seal.Keyring) (cursors, error) {
	own, err := keys.Apart(labelCursor)
	return cursors{own, ident.Random()}, err
}

// sealCursor returns the cursor of a place in a list, "" for the place "", which is the end.
// List are the words that name the list, and what it is filtered by.
func (m *Manager) sealCursor(place string, list ...string) string {
	if place == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(m.cursors.keys.Seal("place", []byte(place), nameOf(list)))
}

// openCursor returns the place that sealCursor was given for the same list, "" for "", which is
// the beginning. The error is an [*InputError] for any other text.
func (m *Manager) openCursor(cursor string, list ...string) (place string, err error) {
	if cursor == "" {
		return "", nil
	}
	invalid := invalidField("after", "invalid", "It is no cursor of this list.")
	if len(cursor) > maxCursor {
		return "", invalid
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, "\r\n") { // which the decoder skips
		return "", invalid
	}
	plain, _, err := m.cursors.keys.Open("place", sealed, nameOf(list))
	if err != nil {
		return "", invalid
	}
	return string(plain), nil
}

// sealWalk is sealCursor for a place of the store's Walker.
func (m *Manager) sealWalk(place string, list ...string) string {
	if place == "" {
		return ""
	}
	return m.sealCursor(m.cursors.walk+place, list...)
}

// openWalk is openCursor for sealWalk. It returns ErrCursorGone for the cursor of another Manager.
func (m *Manager) openWalk(cursor string, list ...string) (place string, err error) {
	text, err := m.openCursor(cursor, list...)
	if err != nil || text == "" {
		return "", err
	}
	place, ours := strings.CutPrefix(text, m.cursors.walk)
	if !ours {
		return "", ErrCursorGone
	}
	return place, nil
}

// afterWalk returns the error of a walk that went on at a place of this Manager's: the store may
// have changed its shape since.
func afterWalk(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return ErrCursorGone
	}
	return err
}

// nameOf joins the words that name a list, so that no two lists have one name.
func nameOf(list []string) (name []byte) {
	for _, word := range list {
		name = binary.AppendUvarint(name, uint64(len(word)))
		name = append(name, word...)
	}
	return name
}
