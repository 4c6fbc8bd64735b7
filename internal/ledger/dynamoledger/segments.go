package dynamoledger

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// A segment is some megabytes large, so its calls have more time than others.
const (
	segmentAttempt = 20 * time.Second
	segmentCall    = 60 * time.Second
	maxDelete      = 1000 // objects of one DeleteObjects
)

// segmentKey is the key of a segment's object. The cursor's name is hashed: it may be as long as a key may be.
func (l *Ledger) segmentKey(id ledger.CursorID, s ledger.Segment) string {
	kind := "object "
	if id.Fold {
		kind = "fold "
	}
	sum := sha256.Sum256([]byte(kind + id.Key))
	return fmt.Sprintf("%s%s/%s/%d-%d-%d", l.prefix, id.Replay, hex.EncodeToString(sum[:]), s.Epoch, s.From, s.To)
}

// PutSegment stores a blob under a segment's name, once.
func (l *Ledger) PutSegment(ctx context.Context, id ledger.CursorID, s ledger.Segment, blob []byte) error {
	key := l.segmentKey(id, s)
	sum := md5.Sum(blob) // S3 refuses a put without any sum where the bucket locks its objects (Object Lock)
	_, err := awsapi.CallFor(awsapi.WithAttemptTimeout(ctx, segmentAttempt), segmentCall, func(ctx context.Context) (*s3.PutObjectOutput, error) {
		out, err := l.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &l.bucket, Key: &key, Body: bytes.NewReader(blob), ContentLength: aws.Int64(int64(len(blob))), IfNoneMatch: aws.String("*"),
			ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		})
		if awsapi.ErrorCode(err) == "ConditionalRequestConflict" { // with an earlier attempt that is still under way
			err = &againError{err}
		}
		return out, err
	})
	if awsapi.ErrorCode(err) == "PreconditionFailed" { // it is there already
		return nil
	}
	return l.explain(dynamo.Harmless(err), "bucket "+l.bucket, "putting segment %s", key)
}

// Segment reads a blob; ErrNotFound.
func (l *Ledger) Segment(ctx context.Context, id ledger.CursorID, s ledger.Segment) ([]byte, error) {
	key := l.segmentKey(id, s)
	blob, err := awsapi.CallFor(ctx, segmentCall, func(ctx context.Context) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, segmentAttempt) // which the body, too, must keep
		defer cancel()
		out, err := l.s3.GetObject(awsapi.WithBody(ctx), &s3.GetObjectInput{Bucket: &l.bucket, Key: &key})
		if err != nil {
			return nil, err
		}
		defer func() { _ = out.Body.Close() }()
		b, err := io.ReadAll(out.Body)
		if err != nil {
			return nil, &againError{fmt.Errorf("reading the body: %w", err)}
		}
		return b, nil
	})
	if missing := (*types.NoSuchKey)(nil); errors.As(err, &missing) {
		err = ledger.ErrNotFound
	}
	return blob, l.explain(dynamo.Harmless(err), "bucket "+l.bucket, "reading segment %s", key)
}

// againError marks what is worth another try, though the SDK does not know it.
type againError struct{ err error }

func (e *againError) Error() string        { return e.err.Error() }
func (e *againError) Unwrap() error        { return e.err }
func (e *againError) RetryableError() bool { return true }

// DeleteSegments removes up to limit segments of a replay, at most 1,000.
func (l *Ledger) DeleteSegments(ctx context.Context, replay string, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("deleting segments of %s: limit %d", replay, limit)
	}
	n, err := l.deleteSegments(ctx, l.prefix+replay+"/", min(limit, maxDelete))
	return n, l.explain(err, "bucket "+l.bucket, "deleting segments of %s", replay)
}

func (l *Ledger) deleteSegments(ctx context.Context, prefix string, limit int) (int, error) {
	found, err := dynamo.Call(ctx, l.s3.ListObjectsV2, &s3.ListObjectsV2Input{Bucket: &l.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(limit))})
	if err != nil || len(found.Contents) == 0 {
		return 0, err
	}
	var names []types.ObjectIdentifier
	for _, o := range found.Contents {
		names = append(names, types.ObjectIdentifier{Key: o.Key})
	}
	gone, err := dynamo.Call(ctx, l.s3.DeleteObjects, &s3.DeleteObjectsInput{
		Bucket: &l.bucket, Delete: &types.Delete{Objects: names, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return 0, err
	}
	if len(gone.Errors) > 0 {
		e := gone.Errors[0]
		return 0, fmt.Errorf("%d of %d stay, the first, %s: %s: %s", len(gone.Errors), len(names), aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
	}
	return len(names), nil
}
