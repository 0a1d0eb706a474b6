package protos

import "github.com/suokelife/suokectl/pkg/lint"

// compileRule is for what keeps a file from compiling; buf reports it under this name too.
const compileRule = "COMPILE"

func rules() []lint.Rule {
	var all []lint.Rule
	add := func(id, summary, why, good, bad string) {
		all = append(all, lint.Rule{ID: id, Kind: Name, Severity: lint.Error, Summary: summary, Why: why, Good: good, Bad: bad, Buf: true})
	}
	fileRules(add)
	packageRules(add)
	nameRuleTexts(add)
	commentRuleTexts(add)
	return append(all, ownRules()...)
}

type adder func(id, summary, why, good, bad string)

func fileRules(add adder) {
	add(compileRule, "A file compiles, with its imports.",
		"Nothing can be generated from it, and other rules can say nothing about it.", "string name = 1;", "string name = 1")
	add("SYNTAX_SPECIFIED", "A file names its syntax.",
		"Without it the file is proto2, where fields have other defaults and presence.", `syntax = "proto3";`, "package suokelife.auth.v1; // first line of the file")
	add("FILE_LOWER_SNAKE_CASE", "A file's name is lower_snake_case.",
		"Import paths are case-sensitive on some systems only, and generated files take the name.", "auth_service.proto", "AuthService.proto")
	add("IMPORT_NO_PUBLIC", "No import is public.",
		"Who imports the file depends on what he does not see; moving it breaks him.", `import "suokelife/user/v1/user.proto";`, `import public "suokelife/user/v1/user.proto";`)
	add("IMPORT_NO_WEAK", "No import is weak.",
		"Weak imports are Google's own and work nowhere else.", `import "suokelife/user/v1/user.proto";`, `import weak "suokelife/user/v1/user.proto";`)
	add("IMPORT_USED", "Each import is used.",
		"An idle import costs every generator and misleads the reader.", "a file that uses google.protobuf.Timestamp", `import "google/protobuf/timestamp.proto"; // and no Timestamp`)
}

func packageRules(add adder) {
	const good = "package suokelife.auth.v1;"
	add("PACKAGE_DEFINED", "A file has a package.",
		"Without one its names are global and collide.", good, "a file without package")
	add("PACKAGE_DIRECTORY_MATCH", "A file lies in the folder of its package, below the root of imports.",
		"Import paths follow the package, and generators for some languages need it.", good+" // in suokelife/auth/v1/", good+" // in protos/")
	add("PACKAGE_LOWER_SNAKE_CASE", "A package is lower_snake.case.",
		"Generators turn it into names of modules and folders.", good, "package suokelife.AuthService.v1;")
	add("PACKAGE_VERSION_SUFFIX", "A package ends in its version.",
		"Two versions of an API can only live side by side in two packages.", good, "package suokelife.auth;")
	add("PACKAGE_SAME_DIRECTORY", "The files of a package lie in one folder.",
		"A package in two folders is two in some languages.", "a/v1/x.proto, a/v1/y.proto", "a/v1/x.proto, b/y.proto of one package")
	add("DIRECTORY_SAME_PACKAGE", "The files of a folder have one package.",
		"Generators put the files of a folder into one unit.", "one package a folder", "two packages in a folder")
	add("PACKAGE_NO_IMPORT_CYCLE", "Packages do not import each other in a circle.",
		"Go, among others, cannot compile such packages.", "a imports b", "a imports b, b imports a")
	for _, o := range packageOptions {
		add(o.rule, "The files of a package have the same "+o.option+".",
			"Otherwise the package is torn apart in the generated code.", "option "+o.option+" alike in all files", "option "+o.option+" in one file only")
	}
}

func nameRuleTexts(add adder) {
	const why = "Generators derive names from it; another form makes names that collide or read badly."
	add("MESSAGE_PASCAL_CASE", "A message's name is PascalCase.", why, "message LoginRequest {}", "message login_request {}")
	add("FIELD_LOWER_SNAKE_CASE", "A field's name is lower_snake_case.", why, "string user_name = 1;", "string userName = 1;")
	add("ENUM_PASCAL_CASE", "An enum's name is PascalCase.", why, "enum UserState {}", "enum user_state {}")
	add("ENUM_VALUE_UPPER_SNAKE_CASE", "An enum value's name is UPPER_SNAKE_CASE.", why, "USER_STATE_ACTIVE = 1;", "UserStateActive = 1;")
	add("ONEOF_LOWER_SNAKE_CASE", "A oneof's name is lower_snake_case.", why, "oneof login_by {}", "oneof LoginBy {}")
	add("SERVICE_PASCAL_CASE", "A service's name is PascalCase.", why, "service AuthService {}", "service auth_service {}")
	add("RPC_PASCAL_CASE", "An rpc's name is PascalCase.", why, "rpc VerifyToken", "rpc verify_token")
	add("SERVICE_SUFFIX", "A service's name ends in Service.",
		"It tells services from messages wherever only the name is seen.", "service AuthService {}", "service Auth {}")
	add("ENUM_VALUE_PREFIX", "An enum value begins with its enum's name.",
		"In C++ and in proto itself, values are in the scope that the enum is in, and collide.", "enum State { STATE_UNSPECIFIED = 0; }", "enum State { UNSPECIFIED = 0; }")
	add("ENUM_ZERO_VALUE_SUFFIX", "An enum's zero ends in _UNSPECIFIED.",
		"Zero is what a reader sees when nothing was set.", "STATE_UNSPECIFIED = 0;", "STATE_ACTIVE = 0;")
	add("ENUM_FIRST_VALUE_ZERO", "An enum's first value is 0.",
		"proto3 demands it; elsewhere the first value is the default.", "STATE_UNSPECIFIED = 0;", "STATE_ACTIVE = 1; // as the first")
	add("ENUM_NO_ALLOW_ALIAS", "No enum allows aliases.",
		"Of two names for a number only one comes back from JSON.", "each number once", "option allow_alias = true;")
	add("FIELD_NOT_REQUIRED", "No field is required.",
		"A required field can never be removed: old readers refuse what lacks it.", "string name = 1;", "required string name = 1;")
	add("RPC_REQUEST_STANDARD_NAME", "An rpc's request is named after it.",
		"The name is found without looking, and belongs to one rpc.", "rpc Login(LoginRequest)", "rpc Login(Credentials)")
	add("RPC_RESPONSE_STANDARD_NAME", "An rpc's response is named after it.",
		"The name is found without looking, and belongs to one rpc.", "returns (LoginResponse)", "returns (Token)")
	add(uniqueTypes, "A message is the request or response of one rpc.",
		"What two rpcs share cannot change for one of them.", "LoginRequest for Login alone", "google.protobuf.Empty for each rpc")
}

func commentRuleTexts(add adder) {
	const why = "The proto is what other teams read; what it does not say they guess."
	for kind, what := range map[string]string{
		"COMMENT_MESSAGE": "message", "COMMENT_FIELD": "field", "COMMENT_ENUM": "enum", "COMMENT_ENUM_VALUE": "enum value",
		"COMMENT_ONEOF": "oneof", "COMMENT_SERVICE": "service", "COMMENT_RPC": "rpc",
	} {
		add(kind, "Above each "+what+" stands a comment.", why, "// What it is for.\n"+what+" …", what+" … // or nothing")
	}
}

func ownRules() []lint.Rule {
	return []lint.Rule{
		{ID: "SYNTAX_PROTO3", Kind: Name, Severity: lint.Error, Good: `syntax = "proto3";`, Bad: `syntax = "proto2"; or edition = "2023";`,
			Summary: "A file is proto3.",
			Why:     "The specification demands it (G1): presence, defaults and JSON are then the same everywhere."},
		{ID: "PACKAGE_ORG_PREFIX", Kind: Name, Severity: lint.Error, Good: "package suokelife.auth.v1;", Bad: "package auth.v1;",
			Summary: "A package is {organization}.{service}.v{N}; the organization is set in suokectl.yaml.",
			Why:     "Packages of several organisations meet in one registry and in one server's reflection."},
		{ID: "COMMENT_DETAILED", Kind: Name, Severity: lint.Warning, Good: "// When the token stops being accepted, in UTC.\ngoogle.protobuf.Timestamp expires_at = 3;", Bad: "// Expires at.\ngoogle.protobuf.Timestamp expires_at = 3;",
			Summary: "A comment says more than the name that it is about.",
			Why:     "A comment that repeats the name is noise, and hides that nothing was documented (G1)."},
		{ID: "FIELD_SECRET_COMMENT", Kind: Name, Severity: lint.Warning, Good: "// The password; sent over TLS only, stored hashed, never logged.\nstring password = 2;", Bad: "// The password.\nstring password = 2;",
			Summary: "The comment of a field that carries a secret says how it is protected, or the field has debug_redact.",
			Why:     "Passwords and tokens end in logs and traces when nobody was told not to put them there (G1)."},
	}
}
