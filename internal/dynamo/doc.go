// Package dynamo is what the drivers on DynamoDB share: values and items, calls with their deadlines and what their
// errors say, and the tables themselves. It knows nothing of what the tables hold.
package dynamo
