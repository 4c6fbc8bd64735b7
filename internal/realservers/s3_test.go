package realservers_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/seed-56345083/reprise/internal/realservers"
)

type testBucket struct {
	*s3.Client
	name *string
}

func newBucket(t *testing.T, base string) testBucket {
	t.Helper()
	client := s3.NewFromConfig(realservers.Config(t), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &base, true })
	name := aws.String(realservers.Unique(t, t.Name()))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name}); err != nil {
		t.Fatal(err)
	}
	return testBucket{client, name}
}

func (b testBucket) put(t *testing.T, key, body string) (etag string) {
	t.Helper()
	put, err := b.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b.name, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return *put.ETag
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestS3(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) string{"versitygw": realservers.S3, "moto": realservers.Moto} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := start(t)
			t.Run("conditions", func(t *testing.T) { t.Parallel(); testConditions(t, newBucket(t, base)) })
			t.Run("tags", func(t *testing.T) { t.Parallel(); testTags(t, newBucket(t, base)) })
			t.Run("listing", func(t *testing.T) { t.Parallel(); testListing(t, newBucket(t, base)) })
		})
	}
}

func testConditions(t *testing.T, b testBucket) {
	key := aws.String("logs/2026/a b+c.gz")
	etag := b.put(t, *key, "0123456789")
	_, err := b.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b.name, Key: key, Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
	if errorCode(err) != "PreconditionFailed" {
		t.Errorf("a put over an object with If-None-Match: %v", err)
	}
	got, err := b.GetObject(t.Context(), &s3.GetObjectInput{Bucket: b.name, Key: key, IfMatch: &etag, Range: aws.String("bytes=4-")})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if body, err := io.ReadAll(got.Body); err != nil || string(body) != "456789" || *got.ContentRange != "bytes 4-9/10" {
		t.Errorf("a range: %q %v %v", body, *got.ContentRange, err)
	}
	if b.put(t, *key, "changed") == etag {
		t.Error("the ETag of other content is the same")
	}
	_, err = b.GetObject(t.Context(), &s3.GetObjectInput{Bucket: b.name, Key: key, IfMatch: &etag})
	if errorCode(err) != "PreconditionFailed" {
		t.Errorf("a get of a changed object with If-Match: %v", err)
	}
	_, err = b.GetObject(t.Context(), &s3.GetObjectInput{Bucket: b.name, Key: key, Range: aws.String("bytes=7-")})
	if errorCode(err) != "InvalidRange" {
		t.Errorf("a range that begins at the end: %v", err)
	}
}

func testTags(t *testing.T, b testBucket) {
	key := aws.String("object")
	etag := b.put(t, *key, "content")
	want := []types.Tag{
		{Key: aws.String("REPLAY"), Value: aws.String("PENDING")},
		{Key: aws.String("STATE_CHANGE"), Value: aws.String("2026-01-02T03:04:05.678Z")},
		{Key: aws.String("team:a/b+c"), Value: aws.String("")},
	}
	if _, err := b.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: b.name, Key: key, Tagging: &types.Tagging{TagSet: want}}); err != nil {
		t.Fatal(err)
	}
	got, err := b.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: b.name, Key: key})
	if err != nil || len(got.TagSet) != len(want) {
		t.Fatalf("tags: %v %v", got, err)
	}
	for _, tag := range want {
		if !slices.ContainsFunc(got.TagSet, func(g types.Tag) bool { return *g.Key == *tag.Key && *g.Value == *tag.Value }) {
			t.Errorf("%s=%q is missing", *tag.Key, *tag.Value)
		}
	}
	head, err := b.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: b.name, Key: key})
	if err != nil || *head.ETag != etag || *head.ContentLength != int64(len("content")) {
		t.Errorf("tagging changed the object: %v %v", head, err)
	}
}

func testListing(t *testing.T, b testBucket) {
	// In order of their bytes: - . / 0 letters.
	want := []string{"p/B", "p/a-b", "p/a.b", "p/a/b", "p/a0", "p/b", "p/é"}
	for _, key := range slices.Backward(want) {
		b.put(t, key, "x")
	}
	b.put(t, "q/other", "x")
	for from := range want {
		after := ""
		if from > 0 {
			after = want[from-1]
		}
		var got []string
		in := &s3.ListObjectsV2Input{Bucket: b.name, Prefix: aws.String("p/"), StartAfter: &after, MaxKeys: aws.Int32(2)}
		for {
			page, err := b.ListObjectsV2(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
			if !aws.ToBool(page.IsTruncated) {
				break
			}
			in.ContinuationToken = page.NextContinuationToken
		}
		if !slices.Equal(got, want[from:]) {
			t.Errorf("after %q: %q", after, got)
		}
	}
}

func TestMotoCreatesStacks(t *testing.T) {
	t.Parallel()
	base := realservers.Moto(t)
	bucket := realservers.Unique(t, "stack")
	form := url.Values{
		"Action": {"CreateStack"}, "Version": {"2010-05-15"}, "StackName": {realservers.Unique(t, "stack")},
		"TemplateBody": {`{"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "` + bucket + `"}}}}`},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+realservers.AccessKey+"/20260101/"+realservers.Region+
		"/cloudformation/aws4_request, SignedHeaders=host, Signature=none")
	config := realservers.Config(t)
	response, err := config.HTTPClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", response.Status, body, err)
	}
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &base, true })
	if _, err := client.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		t.Errorf("the stack's bucket: %v", err)
	}
}
