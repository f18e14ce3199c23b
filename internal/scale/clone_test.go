//go:build scale && linux

package scale

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A twin has the records that a Manager made for one user, and makes those of others
// from them: of the same kind and length, with ids, an address and digests of their own,
// and the checksums that belong to them. Such a user logs in like any other; the jti of
// the session and the salt of the password are the first one's. A Manager takes a
// hundred times as long.
type twin struct {
	records []store.Record
	number  int
	// What is replaced, in keys and in values.
	user, org, session, key, address string
	digest                           []byte // of the API key
}

func newTwin(records []store.Record, number int, user, org, session, apiKey string) (*twin, error) {
	digest := sha256.Sum256([]byte(apiKey))
	w := &twin{
		records: records, number: number, user: user, org: org, session: session,
		key: hex.EncodeToString(digest[:16]), address: addressDigest(number), digest: digest[:],
	}
	for _, r := range records {
		if len(r.Value) < 5 || r.Value[0] != 1 || binary.BigEndian.Uint32(r.Value[1:]) != record.Checksum([]byte(r.Key), r.Value[5:]) {
			return nil, fmt.Errorf("the record %s is not in the format that is known here", r.Key)
		}
	}
	return w, nil
}

// of returns the records of user i, by partition.
func (w *twin) of(i int, dice *rand.Rand) map[string][]store.Op {
	var digest [32]byte
	for j := range 4 {
		binary.LittleEndian.PutUint64(digest[8*j:], dice.Uint64())
	}
	texts := strings.NewReplacer(
		w.user, w.user[:7]+digits(22, dice), // the first seven are the time
		w.org, w.org[:7]+digits(22, dice),
		w.session, digits(22, dice),
		w.key, hex.EncodeToString(digest[:16]),
		w.address, addressDigest(i),
		fmt.Sprintf("astname%08d", w.number), fmt.Sprintf("astname%08d", i),
	)
	records := make([]store.Record, len(w.records))
	for j, r := range w.records {
		key := texts.Replace(r.Key)
		value := []byte(texts.Replace(string(r.Value)))
		if at := bytes.Index(value, w.digest); at >= 0 {
			copy(value[at:], digest[:])
		}
		binary.BigEndian.PutUint32(value[1:], record.Checksum([]byte(key), value[5:]))
		records[j] = store.Record{Key: key, Value: value, Expires: r.Expires}
	}
	return byPartition(records)
}

// addressDigest is what the email address of user i is called in keys.
func addressDigest(i int) string {
	d := sha256.Sum256([]byte(email(i)))
	return base64.RawURLEncoding.EncodeToString(d[:])
}

func digits(n int, dice *rand.Rand) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = ident.Alphabet[dice.IntN(len(ident.Alphabet))]
	}
	return string(b)
}
