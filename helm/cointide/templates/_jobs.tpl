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

