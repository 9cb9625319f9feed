# As much of the lib of nixpkgs as the module uses, so that the module can be
# evaluated where there is no nixpkgs: lists, strings, and the modules system
# with its priorities, types and submodules. Where nixpkgs would refuse a
# definition, this does too.
let
  inherit (builtins) all any attrNames attrValues concatLists concatMap elem elemAt filter foldl' genericClosure head
    isAttrs isBool isFunction isInt isList isPath isString length listToAttrs mapAttrs match replaceStrings stringLength
    substring tail toJSON zipAttrsWith;

  kind = v: if isAttrs v then v._type or "" else "";
  show = builtins.concatStringsSep ".";

  # mkIf and mkMerge resolved: a list of definitions, perhaps with priorities.
  discharge = v:
    if kind v == "merge" then concatMap discharge v.contents
    else if kind v == "if" then (if v.condition then discharge v.content else [ ])
    else [ v ];

  # The same of an attribute set, pushed down to its attributes, so that their
  # names depend on no condition.
  push = v:
    if kind v == "merge" then concatMap push v.contents
    else if kind v == "if" then map (mapAttrs (_: lib.mkIf v.condition)) (push v.content)
    else if kind v == "override" then map (mapAttrs (_: lib.mkOverride v.priority)) (push v.content)
    else [ v ];

  priorityOf = v: if kind v == "override" then v.priority else 100;

  # The definitions that count: those of the smallest number.
  strongest = values:
    let
      found = concatMap discharge values;
      best = foldl' (p: v: if priorityOf v < p then priorityOf v else p) 9999 found;
    in
    {
      priority = best;
      values = inOrder (concatMap discharge (map (v: if kind v == "override" then v.content else v)
        (filter (v: priorityOf v == best) found)));
    };

  orderOf = v: if kind v == "order" then v.priority else 1000;
  inOrder = values: map (v: if kind v == "order" then v.content else v) (builtins.sort (a: b: orderOf a < orderOf b) values);

  define = type: loc: values: type.merge loc (strongest values).values;

  # What is left of attributes once all definitions of some are gone.
  zip = type: loc: values:
    mapAttrs (name: vs: define type (loc ++ [ name ]) vs)
      (lib.filterAttrs (_: vs: (strongest vs).values != [ ]) (zipAttrsWith (_: vs: vs) (concatMap push values)));

  refuse = loc: type: v: throw "A definition for option `${show loc}' is not of type `${type}': ${if isFunction v then "a function" else toJSON v}";

  one = name: check: {
    inherit name check;
    merge = loc: values:
      if values == [ ] then throw "The option `${show loc}' has no value"
      else if !all check values then refuse loc name (head (filter (v: !check v) values))
      else if length values > 1 && any (v: v != head values) values then throw "The option `${show loc}' has conflicting definition values: ${toJSON values}"
      else head values;
  };

  types = rec {
    str = one "string" isString;
    strMatching = pattern: one "string matching the pattern ${pattern}" (v: isString v && match pattern v != null);
    bool = one "boolean" isBool;
    int = one "signed integer" isInt;
    ints = {
      positive = one "positive integer" (v: isInt v && v > 0);
      between = low: high: one "integer between ${toString low} and ${toString high}" (v: isInt v && v >= low && v <= high);
    };
    path = one "absolute path" (v: isPath v || (isString v || isAttrs v && v ? outPath) && substring 0 1 (toString v) == "/");
    package = one "package" (v: isAttrs v && v ? outPath);
    enum = values: one "one of ${toJSON values}" (v: elem v values);

    lines = str // {
      name = "strings concatenated with \"\\n\"";
      merge = loc: values: if all isString values then builtins.concatStringsSep "\n" values else refuse loc "lines" (head values);
    };

    nullOr = type: {
      name = "null or ${type.name}";
      check = v: v == null || type.check v;
      merge = loc: values:
        if all (v: v == null) values then null
        else if any (v: v == null) values then throw "The option `${show loc}' is defined both null and not null"
        else type.merge loc values;
    };

    either = a: b: {
      name = "${a.name} or ${b.name}";
      check = v: a.check v || b.check v;
      merge = loc: values:
        if all a.check values then a.merge loc values
        else if all b.check values then b.merge loc values
        else refuse loc "${a.name} or ${b.name}" (head values);
    };

    listOf = type: {
      name = "list of ${type.name}";
      check = isList;
      merge = loc: values:
        if !all isList values then refuse loc "list of ${type.name}" (head (filter (v: !isList v) values))
        else concatMap (map (v: define type loc [ v ])) values;
    };

    attrsOf = type: {
      name = "attribute set of ${type.name}";
      check = isAttrs;
      merge = loc: values:
        if !all isAttrs values then refuse loc "attribute set" (head (filter (v: !isAttrs v) values))
        else zip type loc values;
      options = loc: if type ? options then type.options (loc ++ [ "<name>" ]) else { };
    };

    # What JSON can say, and what modules leave open. Attribute sets are merged,
    # lists are joined.
    anything = {
      name = "anything";
      check = _: true;
      merge = loc: values:
        if values != [ ] && all (v: isAttrs v && !(v ? outPath)) values then zip anything loc values
        else if values != [ ] && all isList values then concatLists values
        else (one "anything" (_: true)).merge loc values;
    };

    submodule = module: submoduleWith { modules = [ module ]; };
    submoduleWith = { modules, freeform ? null }: {
      name = "submodule";
      check = isAttrs;
      merge = loc: values: (evaluate {
        inherit loc freeform;
        modules = modules ++ map (v: { config = v; }) values;
        args = { name = elemAt loc (length loc - 1); };
      }).config;
      options = loc: (evaluate { inherit loc freeform modules; args = { name = "<name>"; }; }).options;
    };
  };

  # A module as { options, config }, after those that it imports.
  collect = args: module:
    let
      m = if isPath module || isString module then import module else module;
      r = if isFunction m then m args else m;
      whole = r ? config || r ? options;
    in
    concatMap (collect args) (r.imports or [ ]) ++ [
      {
        options = r.options or { };
        config = if whole then r.config or { } else removeAttrs r [ "imports" "_file" ];
      }
    ];

  merged = a: b: a // mapAttrs (name: v:
    if a ? ${name} && kind v != "option" && kind a.${name} != "option" then merged a.${name} v
    else if a ? ${name} then throw "The option `${name}' is declared twice"
    else v) b;

  evaluate = { modules, args ? { }, loc ? [ ], freeform ? null }:
    let
      all = concatMap (collect (args // { inherit lib config options; })) modules;
      declared = foldl' merged { } (map (m: m.options) all);
      walked = walk loc declared (map (m: m.config) all);
      options = mapAttrs (_: tree "option") walked;
      config = mapAttrs (_: tree "value") walked;

      # tree takes one side of every { option, value }.
      tree = side: node: if kind node == "evaluated" then node.${side} else mapAttrs (_: tree side) node;

      walk = loc: declared: values:
        let
          found = zipAttrsWith (_: vs: vs) (concatMap push values);
          unknown = filter (name: !(declared ? ${name})) (attrNames found);
          at = name: loc ++ [ name ];
        in
        (if unknown == [ ] then { }
        else if freeform == null then throw "The option `${show (at (head unknown))}' does not exist"
        else lib.genAttrs unknown (name: { _type = "evaluated"; option = { }; value = define freeform (at name) found.${name}; }))
        // mapAttrs (name: o:
          if kind o == "option" then evaluated (at name) o (found.${name} or [ ])
          else walk (at name) o (found.${name} or [ ])) declared;

      evaluated = loc: o: values:
        let
          defined = values ++ (if o ? default then [ (lib.mkOptionDefault o.default) ] else [ ]);
          found = strongest defined;
        in
        {
          _type = "evaluated";
          option = o // { inherit loc; highestPrio = found.priority; };
          value =
            if found.values == [ ] then throw "The option `${show loc}' is used but not defined"
            else if o.readOnly or false && length (concatMap discharge values) > 0 then throw "The option `${show loc}' is read-only, but it's set"
            else (o.apply or (v: v)) (o.type.merge loc found.values);
        };
    in
    { inherit config options; };

  lib = rec {
    inherit types;
    inherit (builtins) concatStringsSep concatMap mapAttrs;

    evalModules = { modules, specialArgs ? { } }: evaluate { inherit modules; args = specialArgs; };

    mkOption = o: o // { _type = "option"; };
    mkEnableOption = what: mkOption { type = types.bool; default = false; description = "Whether to enable ${what}."; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkOptionDefault = mkOverride 1500;
    mkAfter = content: { _type = "order"; priority = 1500; inherit content; };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    literalExpression = text: { _type = "literalExpression"; inherit text; };

    mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
    mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
    attrsToList = mapAttrsToList nameValuePair;
    filterAttrs = keep: set: listToAttrs (concatMap (n: if keep n set.${n} then [ (nameValuePair n set.${n}) ] else [ ]) (attrNames set));
    genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
    nameValuePair = name: value: { inherit name value; };
    concatMapStringsSep = between: f: vs: concatStringsSep between (map f vs);
    literalMD = text: { _type = "literalMD"; inherit text; };
    optional = condition: v: if condition then [ v ] else [ ];
    optionals = condition: vs: if condition then vs else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: s: if condition then s else "";
    unique = foldl' (seen: v: if elem v seen then seen else seen ++ [ v ]) [ ];
    toList = v: if isList v then v else [ v ];
    toInt = s: builtins.fromJSON (head (match "0*([0-9]+)" s));

    toLower =
      let letters = s: builtins.genList (i: substring i 1 s) 26;
      in replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");
    hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
    removeSuffix = suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
    hasSuffix = suffix: s:
      stringLength s >= stringLength suffix && substring (stringLength s - stringLength suffix) (stringLength suffix) s == suffix;
    escapeShellArg = s: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString s)}'";
    makeBinPath = packages: concatStringsSep ":" (map (p: "${p}/bin") packages);
    escapeShellArgs = args: concatStringsSep " " (map escapeShellArg args);
  };
in
lib
