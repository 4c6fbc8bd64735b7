// Package archive is the contract of the log archive: objects of lines below a prefix, listed in key order, read from
// any byte, created once, with tags. What drivers share stands here once, above the contract: [OpenLines] decompresses,
// splits into lines and resumes at a frame boundary, [Layout] reads the protocol out of a key and makes keys,
// [ObjectName] and [EpochOf] name the objects of the archiver.
//
// Drivers: dirarchive (a directory), s3archive. Both pass the suite in archivetest.
package archive

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// MaxTags is how many tags an object may bear, as in S3.
const MaxTags = 10

var (
	// ErrNotFound says that there is no object of that key.
	ErrNotFound = errors.New("object not found")
	// ErrChanged says that the object is no longer the one of that ETag.
	ErrChanged = errors.New("object has changed")
	// ErrCold says that the object must be restored from a cold storage class before it can be read.
	ErrCold = errors.New("object is in a cold storage class")
	// ErrCorrupt says that the bytes are not what they claim to be: cut off, or damaged.
	ErrCorrupt = errors.New("object is corrupt")
	// ErrExists says that there is an object of that key already. It may be the very one: an earlier attempt's, whose
	// reply was lost.
	ErrExists = errors.New("object exists already")
	// ErrTooManyTags says that the object would need more than MaxTags tags; nothing was changed.
	ErrTooManyTags = errors.New("object bears too many tags")
	// ErrThrottled says that the service refuses for a while; nothing was done.
	ErrThrottled = errors.New("throttled")
)

// Object is what a listing tells of one object.
type Object struct {
	Key      string // '/'-separated, UTF-8, 1 to 1024 bytes, below the driver's root
	Size     int64  // bytes as stored
	ETag     string // changes whenever the content does
	Modified time.Time
	Class    string // of storage, as the service names it ("GLACIER"); "" is the usual one
}

// OpenParams name the bytes to read.
type OpenParams struct {
	Key    string
	ETag   string // must match: ErrChanged otherwise; "" takes whatever is there
	Offset int64  // of the first byte, 0 to Size; at Size the body is empty
}

// Archive is one archive. All methods may be called by any number of goroutines and processes at once; each remote
// call has a deadline of its own inside the driver.
type Archive interface {
	// List yields the objects whose key starts with prefix and is greater than after, in the order of their keys as
	// byte strings, in bounded memory. An object written or deleted meanwhile may be missed or seen. The iteration
	// ends with the first error.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
	// Stat tells of one object, consistently; ErrNotFound.
	Stat(ctx context.Context, key string) (Object, error)
	// Open reads an object from a byte on, to its end. The body fails with ErrChanged rather than mix two versions
	// of an object, and must be closed. ErrNotFound, ErrChanged, ErrCold.
	Open(ctx context.Context, p OpenParams) (io.ReadCloser, error)
	// Create stores a new object, whole or not at all; nil and ErrExists both say that an object of that key is there to
	// stay, whatever fails next. It never changes one that exists. Any other error leaves open whether it is there:
	// create it again. The time that it may take grows with the body.
	Create(ctx context.Context, key string, body []byte) error
	// Tags returns the object's tags, never nil; ErrNotFound.
	Tags(ctx context.Context, key string) (map[string]string, error)
	// MergeTags sets and removes some tags and leaves the others as they are (read, merge, write: S3 has no
	// conditional tagging, so of two writers at the same moment one may win). Nothing is written when nothing would
	// change. ErrNotFound, ErrTooManyTags.
	MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error
}
