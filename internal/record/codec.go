package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"
	"time"
)

// recordFormat is the first byte of every record.
const recordFormat = 1

// headerLen is the length of the format and the checksum, which come before the fields.
const headerLen = 5

// ErrDamaged reports a record whose bytes were changed, or that is stored under another
// key than it was written for.
var ErrDamaged = errors.New("auth: damaged record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Fields is a record: a pointer to a struct that names its fields to a [Codec] in a fixed
// order. The Codec reads or writes each of them.
//
// New fields are added at the end only, before [Codec.Rest], which comes last. So two
// versions of a program can share a store. A record that ends early has zero values in the
// fields that it lacks. Fields that a version does not know are kept.
type Fields interface{ Fields(c *Codec) }

// A Codec reads or writes the fields of one record. It belongs to one call of a Fields
// method, which must not keep it. The bytes and texts that it reads are parts of the
// record's bytes or of an [Arena]. They must not be changed.
type Codec struct {
	buf     []byte // writing: what is written so far; reading: what is left
	text    string // reading: what was left at the first string, of which all strings are parts
	key     []byte // reading: the record's key, in memory that is used again
	in      *Arena // reading
	writing bool
	failed  bool
}

// encode returns the bytes of r for key.
func encode(key string, r Fields) []byte {
	c := Codec{writing: true, buf: make([]byte, headerLen, 192)}
	r.Fields(&c)
	c.buf[0] = recordFormat
	binary.BigEndian.PutUint32(c.buf[1:], Checksum([]byte(key), c.buf[headerLen:]))
	return c.buf
}

// decode fills r, which is zero, from the bytes under key. Its texts and lists are parts
// of the arena.
func decode(key string, b []byte, r Fields, in *Arena) error {
	c := codecs.Get().(*Codec)
	defer codecs.Put(c)
	c.key = append(c.key[:0], key...)
	if len(b) < headerLen || b[0] != recordFormat || binary.BigEndian.Uint32(b[1:]) != Checksum(c.key, b[headerLen:]) {
		return ErrDamaged
	}
	*c = Codec{buf: b[headerLen:], key: c.key, in: in}
	r.Fields(c)
	failed := c.failed
	*c = Codec{key: c.key}
	if failed {
		return ErrDamaged
	}
	return nil
}

// codecs are kept for reading.
var codecs = sync.Pool{New: func() any { return new(Codec) }}

// Checksum returns the CRC-32C of a key and of body, the bytes behind the header of its
// record. A record has its checksum in bytes 1 to 4, in big-endian order.
func Checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body)
}

// Uint reads or writes a number.
func (c *Codec) Uint(v *uint64) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, *v)
		return
	}
	if len(c.buf) == 0 {
		return
	}
	n, size := binary.Uvarint(c.buf)
	if size <= 0 {
		c.fail()
		return
	}
	*v, c.buf = n, c.buf[size:]
}

// Bool reads or writes a bool.
func (c *Codec) Bool(v *bool) {
	var n uint64
	if *v {
		n = 1
	}
	c.Uint(&n)
	*v = n == 1
}

// Time reads or writes an instant, to the nanosecond and in UTC. The zero time is kept as
// 0; other times are between the years 1678 and 2262.
func (c *Codec) Time(t *time.Time) {
	var n uint64
	if !t.IsZero() {
		n = uint64(t.UnixNano())
	}
	if c.Uint(&n); !c.writing && n != 0 {
		*t = time.Unix(0, int64(n)).UTC()
	}
}

// String reads or writes a text.
func (c *Codec) String(s *string) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(*s)))
		c.buf = append(c.buf, *s...)
		return
	}
	if c.text == "" {
		c.text = c.in.Text(c.buf)
	}
	if t := c.take(); len(t) > 0 {
		end := len(c.text) - len(c.buf)
		*s = c.text[end-len(t) : end]
	}
}

// Bytes reads or writes bytes. None are read as nil.
func (c *Codec) Bytes(b *[]byte) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(*b)))
		c.buf = append(c.buf, *b...)
		return
	}
	if t := c.take(); len(t) > 0 {
		*b = t[:len(t):len(t)] // part of the record as it was read, which never changes
	}
}

// Skip reads past a text or bytes. It is for a type that reads only a part of a record, and
// so is never written.
func (c *Codec) Skip() { c.take() }

// Strings reads or writes a list of texts. An empty one is read as nil.
func (c *Codec) Strings(list *[]string) {
	n := c.length(len(*list))
	if !c.writing && n > 0 {
		*list = c.in.list(n)
	}
	for i := range n {
		c.String(&(*list)[i])
	}
}

// List reads or writes a list; each reads or writes the fields of one element. An empty
// list is read as nil.
func List[T any](c *Codec, list *[]T, each func(*T)) {
	n := c.length(len(*list))
	if !c.writing && n > 0 {
		*list = make([]T, n)
	}
	for i := range n {
		each(&(*list)[i])
	}
}

// length reads or writes the length of a list. A list with more elements than bytes are left
// is damaged. So a damaged length cannot make the Codec allocate much memory.
func (c *Codec) length(have int) int {
	n := uint64(have)
	c.Uint(&n)
	if !c.writing && n > uint64(len(c.buf)) {
		c.fail()
		return 0
	}
	return int(n)
}

// Rest keeps, between a read and the next write, the fields that a newer version added.
// It comes last.
func (c *Codec) Rest(b *[]byte) {
	if c.writing {
		c.buf = append(c.buf, *b...)
		return
	}
	if len(c.buf) > 0 {
		*b, c.buf = append([]byte(nil), c.buf...), nil
	}
}

func (c *Codec) take() []byte {
	var n uint64
	if c.Uint(&n); c.failed || n > uint64(len(c.buf)) {
		c.fail()
		return nil
	}
	t := c.buf[:n]
	c.buf = c.buf[n:]
	return t
}

func (c *Codec) fail() { c.buf, c.failed = nil, true }
