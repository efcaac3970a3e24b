{{/* What is reachable from outside, for Ingress and route alike: `/metrics` is not.

Each is (path, Exact or Prefix). */}}
{{- define "cointide.publicPaths" -}}
- {path: /, type: Exact}
- {path: /index.html, type: Exact}
- {path: /assets, type: Prefix}
- {path: /docs, type: Exact}
- {path: /openapi.json, type: Exact}
- {path: /asyncapi.json, type: Exact}
- {path: /v1, type: Prefix}
{{- end -}}
