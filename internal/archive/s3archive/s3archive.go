package s3archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/time/rate"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// Options say where the objects are.
type Options struct {
	Client  *s3.Client // see [Client]
	Bucket  string
	TagRate float64 // MergeTags begun per second, each up to two requests; 0: as many as come
}

// Archive is one bucket. Any number of goroutines may use one; it needs no closing.
type Archive struct {
	s3     *s3.Client
	bucket string
	tags   *rate.Limiter
	limits limits
}

var _ archive.Archive = (*Archive)(nil)

// limits are the times that tests shorten.
type limits struct {
	call  time.Duration // of one request with all attempts
	page  time.Duration // of one attempt of a page: a listing passes over deleted versions one by one
	pages time.Duration // of one page with all attempts
	stall time.Duration // without a byte, and a connection is given up
	pause time.Duration // the most before the first connection after a broken one; doubled with each that gives nothing
}

var usual = limits{
	call:  awsapi.CallTimeout,
	page:  30 * time.Second,
	pages: 90 * time.Second,
	stall: 20 * time.Second,
	pause: 200 * time.Millisecond,
}

// Client makes the client of an archive. endpoint is the base URL of another implementation of S3, "" for AWS.
func Client(c aws.Config, endpoint string) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) {
		// The SDK's other setting adds checksums that not every implementation knows, and would refuse to read an
		// object from its middle under the checksum of the whole. What S3 demands (PutObjectTagging) is sent anyway.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
			o.UsePathStyle = true
		}
	})
}

// New returns the archive of a bucket. It asks nothing of the service; see [Archive.Check].
func New(o Options) (*Archive, error) {
	switch {
	case o.Client == nil:
		return nil, errors.New("an S3 archive needs a client")
	case o.Bucket == "":
		return nil, errors.New("an S3 archive needs the name of its bucket")
	case o.TagRate < 0 || math.IsNaN(o.TagRate):
		return nil, fmt.Errorf("a rate of %g tags per second", o.TagRate)
	}
	a := &Archive{s3: o.Client, bucket: o.Bucket, limits: usual}
	if o.TagRate > 0 {
		a.tags = rate.NewLimiter(rate.Limit(o.TagRate), int(min(max(1, math.Ceil(o.TagRate)), math.MaxInt32)))
	}
	return a, nil
}

// Stat implements [archive.Archive].
func (a *Archive) Stat(ctx context.Context, key string) (archive.Object, error) {
	out, err := a.head(ctx, key)
	if err != nil {
		return archive.Object{}, a.explain("looking at", actionGet, key, err)
	}
	return archive.Object{
		Key: key, Size: *out.ContentLength, ETag: quoted(out.ETag), Modified: aws.ToTime(out.LastModified),
		Class: class(string(out.StorageClass)),
	}, nil
}

func (a *Archive) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	if key == "" {
		return nil, errNoKey
	}
	out, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.HeadObjectOutput, error) {
		return a.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.bucket, Key: &key})
	})
	switch {
	case awsapi.StatusCode(err) == http.StatusNotFound: // the answer does not tell of what
		if missing := a.reach(ctx); errors.Is(missing, ErrNoBucket) {
			return nil, missing
		}
	case err == nil && out.ContentLength == nil:
		return nil, errNoLength
	}
	return out, err
}

// errNoLength is an answer by which nothing can be held to its end.
var errNoLength = errors.New("the server does not say how long the object is")

// errNoKey is what S3 would take for a request about the bucket.
var errNoKey = fmt.Errorf("%w: a key must not be empty", archive.ErrNotFound)

// quoted gives an ETag the form of S3's own: some implementations leave the quotes out in a listing or in a header.
func quoted(etag *string) string {
	if etag == nil || *etag == "" || strings.HasPrefix(*etag, "W/") { // the last: a proxy's own
		return aws.ToString(etag)
	}
	return `"` + strings.Trim(*etag, `"`) + `"`
}

// class leaves out the usual one, as HeadObject does.
func class(name string) string {
	if name == string(types.StorageClassStandard) {
		return ""
	}
	return name
}
