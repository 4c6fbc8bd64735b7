package archiver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/entries"
)

// compare says whether the object that has the batch's key is the batch's: nil, or ErrForeign. What counts is its lines:
// another version of this program may compress them to other bytes. Where all is not exact, because entries were removed
// meanwhile, it is enough that it holds every line that is left, in this order.
func (a *Archiver) compare(ctx context.Context, b entries.Batch, body []byte, exact bool) error {
	there, err := a.o.Archive.Stat(ctx, b.Key)
	if err != nil {
		return fmt.Errorf("comparing the object that is there: %w", err)
	}
	sum := md5.Sum(body)
	if there.Size == int64(len(body)) && there.ETag == `"`+hex.EncodeToString(sum[:])+`"` { // as S3 makes most ETags
		return nil
	}
	same, err := a.sameLines(ctx, there, body, exact)
	switch {
	case errors.Is(err, archive.ErrCorrupt), err == nil && !same:
		return fmt.Errorf("%w: %s is there with other lines, so nothing is marked as archived: look at it and move it away; "+
			"the batch is then written again by itself", ErrForeign, b.Key)
	case errors.Is(err, archive.ErrCold):
		return fmt.Errorf("%w: %s is there, in a cold storage class where it cannot be compared: restore it, and keep new objects out of cold "+
			"classes for a day", ErrForeign, b.Key)
	case err != nil:
		return fmt.Errorf("comparing the object that is there: %w", err)
	}
	return nil
}

// sameLines compares an object's lines with those of a body; where it is not exact, the object may hold more.
func (a *Archiver) sameLines(ctx context.Context, there archive.Object, body []byte, exact bool) (bool, error) {
	theirs, err := archive.OpenLines(ctx, a.o.Archive, archive.LinesParams{
		Key: there.Key, ETag: there.ETag, Size: there.Size, MaxLine: longest,
	})
	if err != nil {
		return false, err
	}
	defer func() { _ = theirs.Close() }() // nothing was written
	unzipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("reading what was to be written: %w", err)
	}
	ours := bufio.NewScanner(unzipped)
	ours.Buffer(nil, longest+1)
	ours.Split(lines)
	wanted := ours.Scan()
	for {
		line, err := theirs.Next()
		if err == io.EOF { //nolint:errorlint // a wrapped one is not the clean end
			return !wanted, ours.Err()
		}
		if err != nil {
			return false, err
		}
		switch {
		case wanted && !line.TooLong && bytes.Equal(line.Bytes, ours.Bytes()):
			wanted = ours.Scan()
		case exact:
			return false, nil
		}
	}
}

// longest is a line, in bytes, that no entry reaches.
const longest = 4 * entries.MaxLine

// lines splits at newlines alone: a carriage return belongs to its line.
func lines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
