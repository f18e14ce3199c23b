// Package pages reads the pages of a bbolt file itself and trusts nothing in it.
// bbolt's own check runs on the memory map of the file. Damage can send that check into
// an endless recursion or out of the map, which no recover catches.
package pages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// ErrDamaged reports that the file is not what bbolt wrote.
var ErrDamaged = errors.New("damaged")

// A page begins with its number (8 bytes), flags (2), count of elements (2) and
// number of overflow pages (4). Numbers are in the byte order of the machine.
const (
	pageHeader    = 16
	metaLength    = 64
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	noFreelist    = 1<<64 - 1
	branchPage    = 0x01
	leafPage      = 0x02
	freelistPage  = 0x10
	elementLength = 16
	bucketElement = 1
	maxDepth      = 64 // of a tree; even one with two keys to a page cannot be deeper
)

var native = binary.NativeEndian

// A Header is the newer of the two meta pages of a file.
type Header struct {
	Tx   uint64 // the transaction that wrote it
	Twin error  // what is wrong with the other meta page, if anything

	pageSize, root, freelist, pages uint64
}

// Size returns the length, in bytes, of the part of the file that is in use.
func (h Header) Size() int64 { return int64(h.pages * h.pageSize) }

// ReadHeader returns the header, or an error if bbolt must not touch the file: it would
// fault if a map were longer than the file. The header may be read while bbolt writes
// it, in this process or another; then the older one is returned.
func ReadHeader(f *os.File) (Header, error) {
	first, firstErr := readMeta(f, 0)
	second, secondErr := Header{}, error(nil)
	if firstErr == nil {
		second, secondErr = readMeta(f, int64(first.pageSize))
	} else {
		for size := int64(1 << 10); size <= 1<<16; size <<= 1 {
			if second, secondErr = readMeta(f, size); secondErr == nil {
				break
			}
		}
	}
	info, err := f.Stat() // only now: bbolt grows the file before it writes the header
	if err != nil {
		return Header{}, err
	}
	h := first
	switch {
	case info.Size() == 0:
		return Header{}, fmt.Errorf("%w: it is empty", ErrDamaged)
	case firstErr != nil && secondErr != nil:
		return Header{}, firstErr
	case firstErr != nil:
		h, h.Twin = second, firstErr
	case secondErr != nil:
		h.Twin = secondErr
	case second.Tx > first.Tx:
		h = second
	}
	if info.Size() < h.Size() {
		return Header{}, fmt.Errorf("%w: truncated to %d bytes of %d", ErrDamaged, info.Size(), h.Size())
	}
	return h, nil
}

func readMeta(f io.ReaderAt, offset int64) (Header, error) {
	var b [pageHeader + metaLength]byte
	if _, err := f.ReadAt(b[:], offset); err != nil && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	h := Header{
		pageSize: uint64(native.Uint32(m[8:])),
		root:     native.Uint64(m[16:]),
		freelist: native.Uint64(m[32:]),
		pages:    native.Uint64(m[40:]),
		Tx:       native.Uint64(m[48:]),
	}
	switch {
	case native.Uint32(m) != metaMagic:
		return Header{}, fmt.Errorf("%w, or not a bbolt database", ErrDamaged)
	case native.Uint32(m[4:]) != metaVersion:
		return Header{}, fmt.Errorf("version %d of bbolt's format is not known", native.Uint32(m[4:]))
	case native.Uint64(m[56:]) != sum.Sum64():
		return Header{}, fmt.Errorf("%w: the checksum of the header is wrong", ErrDamaged)
	case h.pageSize < 1<<10 || h.pageSize > 1<<16 || h.pageSize&(h.pageSize-1) != 0 ||
		h.pages < 4 || h.pages > 1<<40 || h.root >= h.pages || h.freelist >= h.pages && h.freelist != noFreelist:
		return Header{}, fmt.Errorf("%w: the header contradicts itself", ErrDamaged)
	}
	return h, nil
}

// A checker visits the pages of one header, each of them once.
type checker struct {
	ctx  context.Context
	f    io.ReaderAt
	h    Header
	deep bool // into the buckets, not only the tree that lists them
	seen []bool
}

// Check returns an error that wraps ErrDamaged if the structure of the pages that h
// leads to is broken. Any other error means that it could not be checked. Unless deep
// is true it checks only the free list and the list of buckets. Nothing may write to
// these pages meanwhile; bbolt does not while a transaction on h is open.
func Check(ctx context.Context, f io.ReaderAt, h Header, deep bool) error {
	c := &checker{ctx, f, h, deep, make([]bool, h.pages)}
	c.seen[0], c.seen[1] = true, true
	if err := c.tree(h.root, nil, nil, 0); err != nil {
		return err
	}
	if h.freelist == noFreelist {
		return nil
	}
	if err := c.free(); err != nil || !deep {
		return err
	}
	for id, seen := range c.seen {
		if !seen {
			return damage(uint64(id), "neither used nor free")
		}
	}
	return nil
}

func damage(page uint64, what string) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, page, what)
}

// see notes that n pages from first on are in use or free. It returns an error if one
// was noted before.
func (c *checker) see(first, n uint64) error {
	if first >= c.h.pages || n > c.h.pages-first {
		return damage(first, "beyond the end")
	}
	for id := first; id < first+n; id++ {
		if c.seen[id] {
			return damage(id, "used twice")
		}
		c.seen[id] = true
	}
	return nil
}

// page reads a page with its overflow.
func (c *checker) page(id uint64) ([]byte, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	var head [pageHeader]byte
	if _, err := c.f.ReadAt(head[:], int64(id*c.h.pageSize)); err != nil {
		return nil, err
	}
	if native.Uint64(head[:]) != id {
		return nil, damage(id, "is another page")
	}
	n := 1 + uint64(native.Uint32(head[12:]))
	if err := c.see(id, n); err != nil {
		return nil, err
	}
	b := make([]byte, n*c.h.pageSize)
	_, err := c.f.ReadAt(b, int64(id*c.h.pageSize))
	return b, err
}

// tree walks the tree below page id, whose keys are in [low, high).
func (c *checker) tree(id uint64, low, high []byte, depth int) error {
	if id >= c.h.pages || depth > maxDepth {
		return damage(id, "cannot be part of a tree")
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	return c.elements(id, b, low, high, depth)
}

// elements walks what page b contains. b is page id or is inside it.
func (c *checker) elements(id uint64, b, low, high []byte, depth int) error {
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != leafPage && (flags != branchPage || count == 0) {
		return damage(id, "not a page of a tree")
	}
	if pageHeader+count*elementLength > len(b) {
		return damage(id, "more elements than fit")
	}
	key := func(i int) (start uint64, key, value []byte) {
		at := pageHeader + i*elementLength
		e := b[at:]
		pos, ksize, vsize := uint64(native.Uint32(e)), uint64(native.Uint32(e[4:])), uint64(0)
		if flags == leafPage {
			pos, ksize, vsize = uint64(native.Uint32(e[4:])), uint64(native.Uint32(e[8:])), uint64(native.Uint32(e[12:]))
		}
		start = uint64(at) + pos
		if start+ksize+vsize > uint64(len(b)) {
			return 0, nil, nil
		}
		return start, b[start:][:ksize], b[start+ksize:][:vsize]
	}
	free := uint64(pageHeader + count*elementLength) // where no element was found yet
	for i := range count {
		start, k, v := key(i)
		next := high
		if i+1 < count {
			_, next, _ = key(i + 1)
		}
		if len(k) == 0 || i+1 < count && len(next) == 0 {
			return damage(id, "an element outside the page")
		}
		if start < free { // a bucket inside itself would be walked without end
			return damage(id, "elements that overlap")
		}
		free = start + uint64(len(k)+len(v))
		if bytes.Compare(k, low) < 0 || next != nil && bytes.Compare(k, next) >= 0 {
			return damage(id, "keys out of order")
		}
		if err := c.below(id, b[pageHeader+i*elementLength:], flags, k, v, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// below walks what element e leads to, if anything: a page or a bucket.
func (c *checker) below(id uint64, e []byte, flags uint16, k, v, next []byte, depth int) error {
	if flags == branchPage {
		return c.tree(native.Uint64(e[8:]), k, next, depth)
	}
	switch native.Uint32(e) {
	case 0:
		return nil
	case bucketElement:
	default:
		return damage(id, "an element of no known kind")
	}
	if len(v) < 16 {
		return damage(id, "a bucket without a root")
	}
	root := native.Uint64(v)
	switch {
	case root == 0 && (len(v) < 16+pageHeader || native.Uint16(v[16+8:]) != leafPage || depth > maxDepth):
		return damage(id, "a bucket without a page")
	case root == 0:
		return c.elements(id, v[16:], nil, nil, depth)
	case !c.deep:
		return nil
	}
	return c.tree(root, nil, nil, depth)
}

// free walks the list of free pages.
func (c *checker) free() error {
	id := c.h.freelist
	b, err := c.page(id)
	if err != nil {
		return err
	}
	count, list := uint64(native.Uint16(b[10:])), b[pageHeader:]
	if count == 0xFFFF { // the true count takes the place of the first page
		count, list = native.Uint64(list), list[8:]
	}
	if native.Uint16(b[8:]) != freelistPage || count > uint64(len(list)/8) {
		return damage(id, "not a list of free pages")
	}
	for i := range count {
		if err := c.see(native.Uint64(list[8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}
