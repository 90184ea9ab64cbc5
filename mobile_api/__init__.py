"""The door for phones: GraphQL over HTTP. It parses, performs one act and maps the answer; it holds no rule."""
