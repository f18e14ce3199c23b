package store

import "time"

// A Condition is what must be true of a record for a Commit to take effect.
type Condition uint8

// The conditions.
const (
	Always   Condition = iota // whatever is there
	IfAbsent                  // there is no such record
	IfEqual                   // there is one, and its value is Op.Old
)

// A Write is what a Commit does to a record.
type Write uint8

// The writes.
const (
	None   Write = iota // leave it: the Op is only a condition
	Set                 // put Op.Value, with Op.Expires, in place of whatever is there
	Remove              // remove it, if it is there
)

// An Op is one part of a Commit. Build it with [Put], [Delete] or [Check] and its own
// methods; adapters read its fields.
//
// A record that has expired but was not dropped yet counts as existing: conditions see
// it.
type Op struct {
	Key     string
	When    Condition
	Old     []byte // with IfEqual: the value that must be there
	Write   Write
	Value   []byte    // with Set
	Expires time.Time // with Set: from then on the record may be dropped; zero is never
}

// Put writes value under key, whether or not there is a record. The record never
// expires unless the Op is given an expiry with [Op.Until].
func Put(key string, value []byte) Op { return Op{Key: key, Write: Set, Value: value} }

// Delete removes the record under key, if there is one.
func Delete(key string) Op { return Op{Key: key, Write: Remove} }

// Check writes nothing. Without a condition it always holds, so give it one with
// [Op.Absent], [Op.Equal] or [Op.Was].
func Check(key string) Op { return Op{Key: key} }

// Absent returns the Op with the condition that no such record exists.
func (o Op) Absent() Op { o.When, o.Old = IfAbsent, nil; return o }

// Equal returns the Op with the condition that the record exists with the value
// old. A nil old is the empty value, not an absent record.
func (o Op) Equal(old []byte) Op { o.When, o.Old = IfEqual, old; return o }

// Was returns the Op with the condition that the record is as Get returned it:
// absent where value is nil, else equal to value.
func (o Op) Was(value []byte) Op {
	if value == nil {
		return o.Absent()
	}
	return o.Equal(value)
}

// Until returns the Op with an expiry: the record may be dropped from t on, and
// not before. The zero time means never.
func (o Op) Until(t time.Time) Op { o.Expires = t; return o }
