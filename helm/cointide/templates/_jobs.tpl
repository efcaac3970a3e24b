{{/* The pods of Jobs, whose names follow from what they hold. */}}

{{- define "cointide.marketsPod" -}}
{{- include "cointide.pod" (list . "markets") }}
serviceAccountName: {{ include "cointide.serviceAccount" . }}
restartPolicy: OnFailure
{{- include "cointide.waitForTopics" . }}
containers:
  - name: markets
    {{- include "cointide.container" (list . .Values.markets.resources) | nindent 4 }}
    args: [markets, sync]
    env:
      {{- include "cointide.settings" . | nindent 6 }}
      {{- with .Values.markets.coingecko.existingSecret }}
      - name: COINTIDE_COINGECKO_KEY
        valueFrom:
          secretKeyRef: {name: {{ . }}, key: {{ $.Values.markets.coingecko.key }}}
      {{- end }}
{{ include "cointide.volumes" . }}
{{- end -}}

{{- define "cointide.schemaPod" -}}
{{- include "cointide.pod" (list . "schema") }}
restartPolicy: OnFailure
containers:
  - name: schema
    {{- include "cointide.container" (list . .Values.topics.resources) | nindent 4 }}
      {{- if .Values.cassandra.tls.enabled }}
      {{- include "cointide.cassandraMounts" . | nindent 6 }}
      {{- end }}
    args: [archive, schema, --wait]
    env:
      {{- include "cointide.settings" . | nindent 6 }}
      {{- include "cointide.cassandraSettings" . | nindent 6 }}
{{ include "cointide.volumes" . }}
  {{- if .Values.cassandra.tls.enabled }}
  {{- include "cointide.cassandraVolumes" . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* A Job that goes before the rest, as a hook or beside it. Takes (list . component pod). */}}
{{- define "cointide.firstJob" -}}
{{- $top := index . 0 -}}{{- $component := index . 1 -}}{{- $pod := index . 2 -}}
{{- $full := printf "%s-%s" (include "cointide.fullname" $top) $component }}
{{- $metadata := include "cointide.podMetadata" (list $top $component) }}
{{- $hook := eq $top.Values.topics.create "hook" }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ if $hook }}{{ $full }}{{ else }}{{ include "cointide.named" (list $full (print $pod $metadata)) }}{{ end }}
  labels:
    {{- include "cointide.labels" (list $top $component) | nindent 4 }}
  {{- if $hook }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  {{- end }}
spec:
  backoffLimit: {{ int $top.Values.topics.backoffLimit }}
  template:
    metadata:
      {{- $metadata | nindent 6 }}
    spec:
      # A hook runs before the release's ServiceAccount is there; it needs no rights anyway.
      {{- $pod | nindent 6 }}
{{- end -}}

{{- define "cointide.topicsPod" -}}
{{- include "cointide.pod" (list . "topics") }}
restartPolicy: OnFailure
containers:
  - name: topics
    {{- include "cointide.container" (list . .Values.topics.resources) | nindent 4 }}
    args: [topics]
    env:
      {{- include "cointide.settings" . | nindent 6 }}
{{ include "cointide.volumes" . }}
{{- end -}}

