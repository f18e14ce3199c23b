package auth

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/internal/walkpage"
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

// errNoCursor is the error for any text that is no cursor of the list.
var errNoCursor = invalidField("after", "invalid", "It is no cursor of this list.")

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
	if len(cursor) > maxCursor {
		return "", errNoCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, "\r\n") { // which the decoder skips
		return "", errNoCursor
	}
	plain, _, err := m.cursors.keys.Open("place", sealed, nameOf(list))
	if err != nil {
		return "", errNoCursor
	}
	return string(plain), nil
}

// readWalk returns about limit of the records of the store whose keys are of the list, and the cursor
// of the next page. It returns ErrUnsupported for a store that is no Walker. It returns ErrCursorGone
// for the cursor of another Manager, or if the store has changed its shape since.
func (m *Manager) readWalk(ctx context.Context, list, cursor string, limit int, is func(key string) bool) ([]store.Record, string, error) {
	walker, ok := m.records.Store.(store.Walker)
	if !ok {
		return nil, "", ErrUnsupported
	}
	text, err := m.openCursor(cursor, list)
	if err != nil {
		return nil, "", err
	}
	text, ours := strings.CutPrefix(text, m.cursors.walk)
	from, whole := walkpage.Parse(text)
	if cursor != "" && !ours || !whole {
		return nil, "", ErrCursorGone
	}
	records, next, err := walkpage.Read(from, limit, func(place string) (store.Page, error) {
		page, err := m.records.Walk(ctx, walker, place)
		if place != "" && errors.Is(err, store.ErrInvalid) {
			err = ErrCursorGone
		}
		return page, err
	}, is)
	if err != nil || next == (walkpage.Place{}) {
		return records, "", err
	}
	return records, m.sealCursor(m.cursors.walk+next.String(), list), nil
}

// What a page of a list has, if its Limit is 0, and at most.
const (
	defaultPage = 50
	maxPage     = 200
)

// pageLimit returns how many items a page has for the Limit of a query.
func pageLimit(limit int) (int, error) {
	switch {
	case limit == 0:
		return defaultPage, nil
	case limit < 0 || limit > maxPage:
		return 0, invalidField("limit", "out_of_range", "It must be from 1 to 200.")
	}
	return limit, nil
}

// nameOf joins the words that name a list, so that no two lists have one name.
func nameOf(list []string) (name []byte) {
	for _, word := range list {
		name = binary.AppendUvarint(name, uint64(len(word)))
		name = append(name, word...)
	}
	return name
}
