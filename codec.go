package auth

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"sync"
	"time"
)

// A record is one byte of format, four of checksum, and its fields in a fixed
// order. The checksum covers the key as well, so a value that was damaged, or that
// lies under another key, is refused instead of believed: engines such as bbolt
// check their pages' shape and not their bytes.
//
// Fields are only ever added at the end. A record that ends early has the zero
// value in the fields it lacks, and fields beyond those that are known are kept as
// they are, so that two versions of a program can share a store during an update.

const recordFormat = 1

var (
	errDamaged  = errors.New("auth: damaged record")
	checksumTab = crc32.MakeTable(crc32.Castagnoli)
)

// fields is a record: it names its fields to a codec, in order, and the codec reads
// or writes each.
type fields interface{ fields(c *codec) }

// encode returns the bytes of r as they lie under key.
func encode(key string, r fields) []byte {
	c := codec{writing: true, buf: make([]byte, 5, 192)}
	r.fields(&c)
	c.buf[0] = recordFormat
	binary.BigEndian.PutUint32(c.buf[1:], checksum([]byte(key), c.buf[5:]))
	return c.buf
}

// decode fills r, which is zero, from the bytes under key. Its texts and lists are
// made in room.
func decode(key string, b []byte, r fields, in *room) error {
	c := codecs.Get().(*codec)
	defer codecs.Put(c)
	c.key = append(c.key[:0], key...)
	if len(b) < 5 || b[0] != recordFormat || binary.BigEndian.Uint32(b[1:]) != checksum(c.key, b[5:]) {
		return errDamaged
	}
	*c = codec{buf: b[5:], key: c.key, in: in}
	r.fields(c)
	failed := c.failed
	*c = codec{key: c.key}
	if failed {
		return errDamaged
	}
	return nil
}

// codecs are kept for reading: a record's fields hold on to none.
var codecs = sync.Pool{New: func() any { return new(codec) }}

// usualTexts is how many bytes the names and the texts of the records take that a check
// of a credential reads, as a rule.
const usualTexts = 512

// A room is the memory that a read answers in. The texts of its records are parts of
// one text, and short lists of one list, so they cost no allocation each. What comes of
// them holds on to all of it, and to nothing of the call.
type room struct {
	deadline deadline // of the read
	texts    strings.Builder
	lists    [4]string
	used     int // of lists
}

// text returns b as a string that lies in the room. What was returned before stays as
// it is: a Builder only appends.
func (r *room) text(b []byte) string {
	at := r.texts.Len()
	r.texts.Write(b)
	return r.texts.String()[at:]
}

// join is text of all parts.
func (r *room) join(parts ...string) string {
	at := r.texts.Len()
	for _, p := range parts {
		r.texts.WriteString(p)
	}
	return r.texts.String()[at:]
}

// list returns n empty strings.
func (r *room) list(n int) []string {
	if n > len(r.lists)-r.used {
		return make([]string, n)
	}
	r.used += n
	return r.lists[r.used-n : r.used : r.used]
}

// checksum is over key and body.
func checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, checksumTab), checksumTab, body)
}

type codec struct {
	buf     []byte // writing: what is written so far; reading: what is left
	text    string // reading: what was left at the first string; all of them are parts of it
	key     []byte // reading: the record's key, in memory that is used again
	in      *room  // reading
	writing bool
	failed  bool
}

func (c *codec) uint(v *uint64) {
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

func (c *codec) bool(v *bool) {
	var n uint64
	if *v {
		n = 1
	}
	c.uint(&n)
	*v = n == 1
}

// time keeps an instant to the nanosecond, in UTC; the zero time is 0.
func (c *codec) time(t *time.Time) {
	var n uint64
	if !t.IsZero() {
		n = uint64(t.UnixNano())
	}
	if c.uint(&n); !c.writing && n != 0 {
		*t = time.Unix(0, int64(n)).UTC()
	}
}

func (c *codec) string(s *string) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(*s)))
		c.buf = append(c.buf, *s...)
		return
	}
	if c.text == "" {
		c.text = c.in.text(c.buf)
	}
	if t := c.take(); len(t) > 0 {
		end := len(c.text) - len(c.buf)
		*s = c.text[end-len(t) : end]
	}
}

func (c *codec) bytes(b *[]byte) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(*b)))
		c.buf = append(c.buf, *b...)
		return
	}
	if t := c.take(); len(t) > 0 {
		*b = t[:len(t):len(t)] // a part of the record as it was read, which nobody writes to
	}
}

// skip reads past a string or bytes, which a read for less than all of a record has
// no use for.
func (c *codec) skip() { c.take() }

func (c *codec) strings(list *[]string) {
	n := c.length(len(*list))
	if !c.writing && n > 0 {
		*list = c.in.list(n)
	}
	for i := range n {
		c.string(&(*list)[i])
	}
}

// length writes the length of a list, or reads one. No list has more elements than
// bytes are left, so a damaged length cannot ask for memory.
func (c *codec) length(have int) int {
	n := uint64(have)
	c.uint(&n)
	if !c.writing && n > uint64(len(c.buf)) {
		c.fail()
		return 0
	}
	return int(n)
}

// rest keeps, between a reading and the next writing, the fields that a newer
// version added. It comes last.
func (c *codec) rest(b *[]byte) {
	if c.writing {
		c.buf = append(c.buf, *b...)
		return
	}
	if len(c.buf) > 0 {
		*b, c.buf = append([]byte(nil), c.buf...), nil
	}
}

func (c *codec) take() []byte {
	var n uint64
	if c.uint(&n); c.failed || n > uint64(len(c.buf)) {
		c.fail()
		return nil
	}
	t := c.buf[:n]
	c.buf = c.buf[n:]
	return t
}

func (c *codec) fail() { c.buf, c.failed = nil, true }
