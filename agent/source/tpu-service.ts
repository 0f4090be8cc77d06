// libtpu's metrics service as a protobuf descriptor (docs/measurement.md §7): the fields we read, by their numbers. Kept as
// data, so that no .proto file has to be found at run time.

/** `tpu.monitoring.runtime.RuntimeMetricService`, for protobufjs. */
export const TPU_SERVICE: Readonly<Record<string, object>> = {
  nested: {
    tpu: {
      nested: {
        monitoring: {
          nested: {
            runtime: {
              nested: {
                RuntimeMetricService: {
                  methods: {
                    GetRuntimeMetric: {
                      requestType: 'MetricRequest',
                      responseType: 'MetricResponse',
                    },
                  },
                },
                MetricRequest: { fields: { metricName: { type: 'string', id: 1 } } },
                MetricResponse: { fields: { metric: { type: 'TPUMetric', id: 1 } } },
                TPUMetric: {
                  fields: {
                    name: { type: 'string', id: 1 },
                    metrics: { rule: 'repeated', type: 'Metric', id: 3 },
                  },
                },
                Metric: {
                  fields: {
                    attribute: { type: 'Attribute', id: 1 },
                    gauge: { type: 'Gauge', id: 3 },
                  },
                },
                Attribute: {
                  fields: {
                    key: { type: 'string', id: 1 },
                    value: { type: 'AttributeValue', id: 2 },
                  },
                },
                AttributeValue: { fields: { intAttr: { type: 'int64', id: 3 } } },
                Gauge: {
                  oneofs: { value: { oneof: ['asDouble', 'asInt'] } },
                  fields: {
                    asDouble: { type: 'double', id: 1 },
                    asInt: { type: 'int64', id: 2 },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};
