package dynamoentries

import (
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// inserted is the entry that was put, and whether it is one: batches and pages are none, and no error.
func inserted(image dynamo.Item) (entries.Entry, bool, error) {
	if len(image) == 0 {
		return entries.Entry{}, false, errors.New("it has no new image: the stream must show them (NEW_IMAGE)")
	}
	entry, err := entryOf(image)
	if errors.Is(err, errOwn) {
		if _, there := image[line]; there { // none of ours has one
			return entries.Entry{}, false, fmt.Errorf("item %q: ids that begin with \"batch\" are Reprise's own", (&dynamo.Reader{Item: image}).Key(id))
		}
		return entries.Entry{}, false, nil
	}
	return entry, err == nil, err
}

// FromLambda is the entry of a record as the stream hands it to a function, and whether it is the insertion of one: updates,
// removals, batches and their pages are not. An error names what was inserted and is no entry.
func FromLambda(r events.DynamoDBEventRecord) (entries.Entry, bool, error) {
	if r.EventName != string(events.DynamoDBOperationTypeInsert) {
		return entries.Entry{}, false, nil
	}
	entry, ok, err := inserted(fromEvent(r.Change.NewImage))
	if err != nil {
		return entries.Entry{}, false, fmt.Errorf("record %s: %w", r.Change.SequenceNumber, err)
	}
	return entry, ok, nil
}

// A record of the stream, an event of a function and an item of the table are three sets of types for one thing. What no entry
// has is kept as an unknown value: its type alone matters.

func fromStream(image map[string]streams.AttributeValue) dynamo.Item {
	i := make(dynamo.Item, len(image))
	for name, v := range image {
		switch v := v.(type) {
		case *streams.AttributeValueMemberS:
			i[name] = dynamo.Text(v.Value)
		case *streams.AttributeValueMemberN:
			i[name] = &types.AttributeValueMemberN{Value: v.Value}
		case *streams.AttributeValueMemberB:
			i[name] = dynamo.Binary(v.Value)
		case *streams.AttributeValueMemberBOOL:
			i[name] = &types.AttributeValueMemberBOOL{Value: v.Value}
		case *streams.AttributeValueMemberNS:
			i[name] = &types.AttributeValueMemberNS{Value: v.Value}
		default:
			i[name] = &types.UnknownUnionMember{Tag: fmt.Sprintf("%T", v)}
		}
	}
	return i
}

func fromEvent(image map[string]events.DynamoDBAttributeValue) dynamo.Item {
	i := make(dynamo.Item, len(image))
	for name, v := range image {
		switch v.DataType() {
		case events.DataTypeString:
			i[name] = dynamo.Text(v.String())
		case events.DataTypeNumber:
			i[name] = &types.AttributeValueMemberN{Value: v.Number()}
		case events.DataTypeBinary:
			i[name] = dynamo.Binary(v.Binary())
		case events.DataTypeBoolean:
			i[name] = &types.AttributeValueMemberBOOL{Value: v.Boolean()}
		case events.DataTypeNumberSet:
			i[name] = &types.AttributeValueMemberNS{Value: v.NumberSet()}
		default:
			i[name] = &types.UnknownUnionMember{Tag: fmt.Sprint(v.DataType())}
		}
	}
	return i
}
